import { CodedError, toHex, type UnixMs } from '../core/index.ts';
import type { Registration, SecretState } from '../router/index.ts';
import type { ReleaseLink } from '../worker/index.ts';
import { ask, openChannel } from './ask.ts';
import { bytesOf } from './bytes.ts';

import { v1 } from './package.ts';
import type { SecretState__Output } from './wire/chrysalis/v1/SecretState.ts';

/** An appraisal may have to wait for a vendor's collateral. */
const DEADLINE_MS = 60_000;

/** A worker's connection to a release service. @param address `host:port` */
export function connectToKeyRelease(address: string, now: () => UnixMs): ReleaseLink {
  const options = () => ({ deadline: now() + DEADLINE_MS });
  const service = openChannel({ address, tls: null }, now);
  const { GetReleaseChallenge, ReleaseKey } = v1.KeyRelease.service;
  return {
    challenge: async (secret) => {
      const { nonce, beacon } = await ask(service, GetReleaseChallenge, { secret }, options());
      return { nonce: bytesOf(nonce), beacon: bytesOf(beacon) };
    },
    release: async ({ certificates, ...request }) => {
      const { released, refused } = await ask(
        service,
        ReleaseKey,
        { ...request, certificates: certificates.map((der) => Buffer.from(der)) },
        options(),
      );
      if (refused) return { outcome: 'refused', ...refused };
      if (!released) throw new CodedError('PEER_UNREACHABLE', 'the release service sent an empty answer');
      const { enc, sealed, policyDigest, logIndex } = released;
      return {
        outcome: 'released',
        enc: bytesOf(enc),
        sealed: bytesOf(sealed),
        policyDigest: bytesOf(policyDigest),
        logIndex: Number(logIndex),
      };
    },
    close: () => service.close(),
  };
}

/** A secret as people and JSON read it. */
export type SecretReport = Omit<SecretState, 'policyDigest' | 'secretId' | 'state'> &
  Readonly<{ policyDigest: string; secretId: string; state: string }>;

const reportOf = (wire: SecretState__Output): SecretReport => ({
  ...wire,
  policyDigest: toHex(bytesOf(wire.policyDigest)),
  secretId: toHex(bytesOf(wire.secretId)),
  logIndex: Number(wire.logIndex),
});

/** An owner's, or the operator's, connection to the administration of a release service. */
export function connectToKeyReleaseAdministration(address: string, now: () => UnixMs) {
  const options = () => ({ deadline: now() + DEADLINE_MS });
  const service = openChannel({ address, tls: null }, now);
  const { RegisterSecret, RevokeSecret, ListSecrets } = v1.KeyReleaseAdministration.service;
  return {
    register: async ({ policyText: policy, secret, ...rest }: Registration): Promise<SecretReport> =>
      reportOf(await ask(service, RegisterSecret, { ...rest, policy, secret: Buffer.from(secret) }, options())),
    revoke: async (what: Readonly<{ name: string } | { policyDigest: Uint8Array }>): Promise<readonly string[]> => {
      const request = 'name' in what ? what : { policyDigest: Buffer.from(what.policyDigest) };
      return (await ask(service, RevokeSecret, request, options())).revoked;
    },
    list: async (): Promise<readonly SecretReport[]> =>
      (await ask(service, ListSecrets, {}, options())).secrets.map(reportOf),
    close: () => service.close(),
  };
}
