import * as grpc from '@grpc/grpc-js';
import { type Clock, CodedError } from '../core/index.ts';
import type { KeyRelease, SecretState } from '../router/index.ts';
import { bytesOf } from './bytes.ts';
import { CHANNEL_OPTIONS, v1 } from './package.ts';
import { bind, type RouterServer, shutDown, unary } from './router-server.ts';
import type { RegisterSecretRequest__Output } from './wire/chrysalis/v1/RegisterSecretRequest.ts';
import type { ReleaseKeyRequest__Output } from './wire/chrysalis/v1/ReleaseKeyRequest.ts';
import type { RevokeSecretRequest__Output } from './wire/chrysalis/v1/RevokeSecretRequest.ts';

function releaseHandlers(release: KeyRelease, now: Clock): grpc.UntypedServiceImplementation {
  return {
    getReleaseChallenge: unary(({ secret }: { secret: string }) => release.challenge(secret), now),
    releaseKey: unary(async (ask: ReleaseKeyRequest__Output) => {
      const { outcome, ...answer } = await release.release({
        secret: ask.secret,
        nonce: bytesOf(ask.nonce),
        bundle: bytesOf(ask.bundle),
        nonceProof: bytesOf(ask.nonceProof),
        publicKey: bytesOf(ask.publicKey),
        certificates: ask.certificates.map(bytesOf),
      });
      return outcome === 'released' ? { released: { ...answer } } : { refused: { ...answer } };
    }, now),
  } as grpc.UntypedServiceImplementation;
}

function stateToWire(state: SecretState) {
  return { ...state, logIndex: String(state.logIndex ?? 0) };
}

function administrationHandlers(release: KeyRelease, now: Clock): grpc.UntypedServiceImplementation {
  return {
    registerSecret: unary(async (ask: RegisterSecretRequest__Output) => {
      const { name, owner, policy: policyText, approvals } = ask;
      const secret = bytesOf(ask.secret);
      const registration = { name, owner, secret, policyText, approvals };
      return stateToWire(await release.register(registration).finally(() => secret.fill(0)));
    }, now),
    revokeSecret: unary(async ({ name, policyDigest }: RevokeSecretRequest__Output) => {
      if (name) return { revoked: [...(await release.revoke({ name }))] };
      if (policyDigest?.length === 32)
        return { revoked: [...(await release.revoke({ policyDigest: bytesOf(policyDigest) }))] };
      throw new CodedError('REQUEST_MALFORMED', 'neither a name nor a policy digest of 32 bytes');
    }, now),
    listSecrets: unary(() => ({ secrets: release.secrets().map(stateToWire) }), now),
  } as grpc.UntypedServiceImplementation;
}

/** Serves workers. @throws CodedError PORT_IN_USE */
export async function serveKeyRelease(
  release: KeyRelease,
  options: Readonly<{ host: string; port: number; now: Clock }>,
): Promise<RouterServer> {
  const server = new grpc.Server(CHANNEL_OPTIONS);
  server.addService(v1.KeyRelease.service, releaseHandlers(release, options.now));
  const port = await bind(server, options, grpc.ServerCredentials.createInsecure());
  return { port, close: (graceMs) => shutDown(server, graceMs) };
}

/** Serves owners and the operator on loopback alone: secrets come in here. @throws CodedError PORT_IN_USE */
export async function serveKeyReleaseAdministration(
  release: KeyRelease,
  options: Readonly<{ port: number; now: Clock }>,
): Promise<RouterServer> {
  const server = new grpc.Server(CHANNEL_OPTIONS);
  server.addService(v1.KeyReleaseAdministration.service, administrationHandlers(release, options.now));
  const where = { host: '127.0.0.1', port: options.port };
  const port = await bind(server, where, grpc.ServerCredentials.createInsecure());
  return { port, close: (graceMs) => shutDown(server, graceMs) };
}
