/** What a worker needs of the wire, and all of it that is in an enclave's image: no chain, no router. */
export { connectToKeyRelease } from '../release-link.ts';
export { attachToRouter } from '../worker-link.ts';
