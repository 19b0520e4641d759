import { fromHex, fromUtf8, type Json, parseStrictJson, toBase64 } from '../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder } from '../vectors.ts';

/** A request to `chrysalis verify`; the vectors' own tests say what its answer must be. */
export type Request = Readonly<Record<string, Json>>;
type Files = Readonly<Record<string, string>>;

const SOME_TIME = '2026-03-01T00:00:00Z';

export const FOUND = (['tdx', 'snp', 'nvidia'] as const).every((name) => vectorsFolder(name) !== null);

/** Every real quote: its signatures, and with each set of collateral at its time; every event log. */
export function tdxRequests(): Request[] {
  type Vector = { id: string; files: Files; evaluations?: { collateral: string; time: string }[] };
  type Manifest = { vectors: Vector[]; eventlogs: { file: string; replayedRtmrSha384: string[] }[] };
  const folder = vectorsFolder('tdx') as string;
  const { vectors, eventlogs } = readVectorJson<Manifest>(folder, 'vectors.json');
  const base64 = (file: string) => toBase64(readVector(folder, file));
  const quotes = vectors.flatMap(({ id, files, evaluations = [] }) => {
    const request = { id, kind: 'tdx-quote', evidence: base64(files.quote as string) };
    return [
      { ...request, at: SOME_TIME, require: ['signature'] },
      ...evaluations.map(({ collateral, time }) => ({
        ...request,
        at: time,
        collateral: parseStrictJson(fromUtf8(readVector(folder, collateral)), collateral),
      })),
    ];
  });
  const logs = eventlogs.flatMap(({ file, replayedRtmrSha384: rtmrs }) => {
    const request = { id: file, kind: 'ccel', evidence: base64(file), at: SOME_TIME };
    return [request, { ...request, collateral: { rtmrs } }];
  });
  return [...quotes, ...logs];
}

/** Every real report: its signatures and all of it, with the lists of its line; tables in place of files; Azure's blobs. */
export function snpRequests(): Request[] {
  type Vector = { id: string; files: Files; parse_only?: boolean; verification_time?: string };
  type Manifest = {
    vectors: Vector[];
    crls: { file: string }[];
    cert_tables: { file: string }[];
    azure_hcl: { file: string; vector: string }[];
    crl_cases: { id: string; crl: string; certificate: string; at: string }[];
  };
  const folder = vectorsFolder('snp') as string;
  const { vectors, crls, cert_tables: tables, azure_hcl, crl_cases } = readVectorJson<Manifest>(folder, 'vectors.json');
  const base64 = (file: string | undefined) => toBase64(readVector(folder, file as string));
  const lists = crls.map(({ file }) => base64(file));
  const reports = vectors.flatMap(({ id, files, parse_only, verification_time: at = SOME_TIME }) => {
    const request = { id, kind: 'snp-report', evidence: base64(files.report), at };
    if (parse_only === true) return [request];
    const certs = [files.leaf, files.intermediate, files.root].map(base64);
    const signature = { ...request, collateral: { certs }, require: ['signature'] };
    return [signature, { ...request, collateral: { certs, crls: lists } }];
  });
  const [first] = reports;
  const fromTables = tables.map(({ file }) => ({
    ...(first as Request),
    id: file,
    collateral: { certTable: base64(file), crls: lists },
  }));
  const blobs = azure_hcl.map(({ file, vector }) => ({
    ...(reports.find(({ id }) => id === vector) as Request),
    id: file,
    evidence: base64(file),
  }));
  const underLists = crl_cases.map(({ id, crl, certificate, at }) => {
    const line = id.split('-')[1] as string;
    const { files } = vectors.find((one) => one.files.leaf?.includes(`vcek-${line}`)) as Vector;
    const certs = [files.leaf, certificate, files.root].map(base64);
    return { id, kind: 'snp-report', evidence: base64(files.report), at, collateral: { certs, crls: [base64(crl)] } };
  });
  return [...reports, ...fromTables, ...blobs, ...underLists];
}

/** Every report of a device with its manifests, every collector's document, manifest, forged manifest and token. */
export function nvidiaRequests(): Request[] {
  type Vector = { id: string; kind: string; arch: string; nonce: string; time: string; files: Files };
  const folder = vectorsFolder('nvidia') as string;
  const { vectors } = readVectorJson<{ vectors: Vector[] }>(folder, 'vectors.json');
  const base64 = (file: string | undefined) => toBase64(readVector(folder, file as string));
  const text = (file: string | undefined) => fromUtf8(readVector(folder, file as string));
  return vectors.flatMap(({ id, kind, arch, nonce, time, files = {} }): Request[] => {
    const request = { id, at: time ?? SOME_TIME, revocation: 'off' };
    if (files.report !== undefined && kind.endsWith('-evidence')) {
      const roles = { driver: files.driverRim, vbios: files.vbiosRim, switch: files.switchBiosRim };
      const rims = Object.fromEntries(
        Object.entries(roles).flatMap(([role, file]) => (file === undefined ? [] : [[role, base64(file)]])),
      );
      const collateral = { certificates: text(files.chain), nonce, arch, rims };
      const evidence = toBase64(fromHex(text(files.report).trim()));
      const report = { ...request, kind: 'nvidia-gpu', evidence, collateral };
      return [report, { ...report, require: ['signature'] }, { ...report, revocation: 'require' }];
    }
    if (files.evidence !== undefined) {
      return [{ ...request, kind: 'nvidia-devices', evidence: base64(files.evidence), expect: { nonce } }];
    }
    if (kind.startsWith('rim')) return [{ ...request, kind: 'nvidia-rim', evidence: base64(files.rim) }];
    if (kind !== 'nras-token') return [];
    const collateral = { jwks: readVectorJson<Json>(folder, files.jwks as string) };
    return [{ ...request, kind: 'nras-token', evidence: base64(files.eat), collateral, expect: { nonce } }];
  });
}
