import type { Approvers } from '../../attestation/index.ts';
import type { AuditTrust } from '../../audit/index.ts';
import {
  CodedError,
  fromHex,
  type Json,
  parseCertificate,
  parsePem,
  parseStrictJson,
  type X509Certificate,
} from '../../core/index.ts';
import { parseVkey } from '../../log/index.ts';
import { readText } from '../compose/files.ts';
import { auditAnchors } from '../compose/trust.ts';
import { readLogPolicy } from '../log/keys.ts';

export type TrustOptions = Readonly<{
  policy: string;
  approvers?: string;
  signers?: string;
  exporter?: readonly string[];
  tsaRoots?: string;
  dangerouslyAllowSimulatedVendor?: string;
}>;

const PEOPLE_MAX = 1024;
const ROOTS_MAX = 64;

/** What the auditor brings, from files. @throws CodedError CONFIG_INVALID, LOG_POLICY_MALFORMED */
export function loadAuditTrust(options: TrustOptions): AuditTrust {
  return {
    policy: readLogPolicy(options.policy),
    anchors: auditAnchors(options.dangerouslyAllowSimulatedVendor),
    approvers: options.approvers === undefined ? null : readKeys(options.approvers),
    signers: options.signers === undefined ? null : readKeys(options.signers),
    ...(options.exporter === undefined ? {} : { exporters: options.exporter.map(parseVkey) }),
    ...(options.tsaRoots === undefined ? {} : { stampRoots: readRoots(options.tsaRoots) }),
  };
}

/** Certificates in a PEM file. @throws CodedError CONFIG_INVALID */
function readRoots(path: string): X509Certificate[] {
  try {
    const roots = parsePem(readText(path), 'CERTIFICATE', ROOTS_MAX, path);
    return roots.map((der) => parseCertificate(der));
  } catch (cause) {
    throw new CodedError('CONFIG_INVALID', `${path} is no PEM file of certificates`, {}, { cause });
  }
}

/** `{"name": "64 hex digits of an Ed25519 key", …}` in a file. @throws CodedError CONFIG_INVALID */
export function readKeys(path: string): Approvers {
  return keysOf(parseStrictJson(readText(path), path), path);
}

/** The same as a value. @throws CodedError CONFIG_INVALID */
export function keysOf(value: Json, where: string): Approvers {
  const invalid = () => new CodedError('CONFIG_INVALID', `${where} is no list of Ed25519 keys by name`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid();
  const rows = Object.entries(value);
  if (rows.length === 0 || rows.length > PEOPLE_MAX) throw invalid();
  return new Map(
    rows.map(([name, key]) => {
      if (typeof key !== 'string' || key.length !== 64) throw invalid();
      return [name, fromHex(key, name)];
    }),
  );
}
