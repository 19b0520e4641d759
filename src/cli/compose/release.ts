import { join } from 'node:path';
import { type Approvers, PINNED_ANCHORS, parseSimulatedAnchors, type TrustAnchor } from '../../attestation/index.ts';
import { type Bytes, CodedError, fromHex, parseStrictJson, toHex } from '../../core/index.ts';
import { createLogClient } from '../../log/writer/index.ts';
import { type BeaconSource, createKeyRelease, type KeyRelease, type LogPort, type Owners } from '../../router/index.ts';
import { openReleaseStore } from '../../store/index.ts';
import { keysOf } from '../audit/trust.ts';
import { type Appraiser, appraiserOf, ownersAppraiserOf } from './appraising.ts';
import { beaconOf } from './beacon.ts';
import { chainEndpoint } from './chain.ts';
import { type CollateralOptions, openCollateral } from './collateral.ts';
import { readIfThere, readText, systemRandomness, writeDurably } from './files.ts';
import { createJudges } from './judging.ts';

export type ReleaseParts = Readonly<{
  log: LogPort;
  beacon: () => Promise<BeaconSource>;
  appraiser: Appraiser;
  anchors: readonly TrustAnchor[];
}>;
export type ReleaseFiles = Readonly<{
  data: string;
  /** Name in the log. */
  name: string;
  /** `{"owner": {"person": hex of an Ed25519 key}}` */
  owners: string;
  /** What secrets at rest are encrypted under. */
  keyFile: string;
}>;

const OWNERS_MAX = 1024;

/** @throws CodedError CONFIG_INVALID */
export function readOwners(path: string): Owners {
  const value = parseStrictJson(readText(path), path);
  const invalid = () => new CodedError('CONFIG_INVALID', `${path} is no list of owners, each with keys by name`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid();
  const rows = Object.entries(value);
  if (rows.length === 0 || rows.length > OWNERS_MAX) throw invalid();
  return new Map(
    rows.map(([owner, people]): [string, Approvers] => [owner, keysOf(people ?? null, `${path}, ${owner}`)]),
  );
}

/** The 32-byte key in a file, in hexadecimal; drawn and written where there is no file. @throws CodedError CONFIG_INVALID */
export function keyIn(path: string): Bytes {
  const kept = readIfThere(path);
  if (kept === null) {
    const key = systemRandomness(32);
    writeDurably(path, `${toHex(key)}\n`);
    return key;
  }
  if (!/^[0-9a-f]{64}\s*$/.test(kept)) throw new CodedError('CONFIG_INVALID', `${path} does not hold a 32-byte key`);
  return fromHex(kept.trim(), 'key');
}

/** A release service over parts that a router, or the standalone service, has. @throws CodedError CONFIG_INVALID */
export function openKeyRelease(parts: ReleaseParts, files: ReleaseFiles): KeyRelease {
  const store = openReleaseStore(join(files.data, 'release.sqlite'));
  try {
    const release = createKeyRelease({
      store,
      log: parts.log,
      source: files.name,
      vaultKey: keyIn(files.keyFile),
      owners: readOwners(files.owners),
      appraise: ownersAppraiserOf(parts.appraiser, parts.anchors),
      beacon: parts.beacon,
      now: Date.now,
      randomness: systemRandomness,
    });
    const close = async () => {
      await release.close();
      store.close();
    };
    return { ...release, close };
  } catch (thrown) {
    store.close();
    throw thrown;
  }
}

export type StandaloneOptions = ReleaseFiles &
  CollateralOptions &
  Readonly<{
    log: string;
    logTokenFile: string;
    chain: string;
    chainQuorum: number;
    dangerouslyAllowSimulatedVendor?: string;
  }>;

/** The standalone service: real clock, randomness, disk, chain and log. */
export async function openStandaloneRelease(options: StandaloneOptions): Promise<KeyRelease> {
  const simulated = options.dangerouslyAllowSimulatedVendor;
  const anchors = [...PINNED_ANCHORS, ...(simulated === undefined ? [] : parseSimulatedAnchors(readText(simulated)))];
  const endpoint = chainEndpoint(options.chain, options.chainQuorum);
  const network = await endpoint.network();
  const log = createLogClient({ url: options.log, token: readText(options.logTokenFile).trim() }) satisfies LogPort;
  const collateral = await openCollateral(options, anchors);
  const beacon = beaconOf(async () => ({ network, ...(await endpoint.head()) }), log);
  const judges = createJudges();
  const release = openKeyRelease({ log, beacon, appraiser: appraiserOf(collateral, judges.judge), anchors }, options);
  const close = async () => {
    await release.close();
    await judges.close();
    await collateral.close();
  };
  return { ...release, close };
}
