export { type AdministrationLink, connectToAdministration, type StatusReport } from './administration-link.ts';
export { type AdministrationCall, serveAdministration } from './administration-server.ts';
export { connectToRouter } from './client-transport.ts';
export { framed, MessageReader } from './grpc/framing.ts';
export { packageDefinition, protoFolder, v1 } from './package.ts';
export { paymentHandlers } from './payments-server.ts';
export {
  connectToKeyRelease,
  connectToKeyReleaseAdministration,
  type SecretReport,
} from './release-link.ts';
export { serveKeyRelease, serveKeyReleaseAdministration } from './release-server.ts';
export { type DrainingServer, type RouterServer, serveRouter } from './router-server.ts';
export { askStanding } from './standing-link.ts';
export type { ClientTls, ServerTls } from './tls.ts';
export { createWebDoor, type WebDoorOptions, type WebRouter } from './web-door.ts';
export { attachToRouter } from './worker-link.ts';
