import { sha256 } from '#crypto';
import {
  type Bytes,
  CodedError,
  canonicalJsonBytes,
  fromHex,
  toHex,
  type UnixSeconds,
  utf8,
  type X509Certificate,
} from '../../core/index.ts';
import type { IntelCollateral, TrustAnchor } from '../endorsements/index.ts';
import { isSnpLine, productLine, type SnpLine, type SnpTcb } from '../evidence/snp/index.ts';
import { DEVICE_POSITIONS, MANIFEST_POSITIONS } from '../verify/index.ts';
import { amdKinds } from './amd-kinds.ts';
import { type AmdEndorsementKey, tcbText } from './amd-tcb.ts';
import { encodeCollateralBundle, importBundle } from './bundle.ts';
import type { CollateralEvent, DocumentId, KeptDocument } from './document.ts';
import { DocumentStore, FRESHNESS, type Freshness } from './document-store.ts';
import type { EvaluationNumbers } from './evaluation-numbers.ts';
import { createFetcher, FETCH_LIMITS, type FetcherDeps, type FetchLimits } from './fetcher.ts';
import { evaluationNumbersOf, intelKinds } from './intel-kinds.ts';
import { createIntelClient, type IntelSource, type PckCa, type TcbChannel } from './intel-service.ts';
import { createKdsClient } from './kds-client.ts';
import { createNvidiaClient, type NvidiaUrls } from './nvidia-client.ts';
import { type NvidiaKinds, nvidiaKinds } from './nvidia-kinds.ts';

/** Where the bundle is kept between runs: whole texts, written durably or not at all. */
export type CollateralDisk = Readonly<{ read: () => Promise<string | null>; write: (text: string) => Promise<void> }>;

export type CollateralDeps = FetcherDeps &
  Readonly<{ disk?: CollateralDisk; report?: (event: CollateralEvent) => void }>;

export type CollateralOptions = Readonly<{
  /** Null: what bundles hold is all there is. */
  intel: IntelSource | null;
  /** URL of AMD's KDS, as `serviceUrl` gives it; null as above. */
  amdUrl: string | null;
  /** Vendors' roots that the caller trusts; nothing else is kept. */
  anchors: readonly TrustAnchor[];
  /** NVIDIA's services, as `serviceUrl` gives their URLs. */
  nvidiaUrls?: NvidiaUrls;
  limits?: Partial<FetchLimits>;
  freshness?: Partial<Freshness>;
}>;

export type IntelAsk = Readonly<{
  /** 12 hexadecimal digits, either case. */
  fmspc: string;
  ca: PckCa;
  /** Which set of TCB levels; Intel's standard one unless given. */
  channel?: TcbChannel;
}>;

export type IntelCollateralSet = Readonly<{
  collateral: IntelCollateral;
  /** SHA-256 of the collateral as canonical JSON. */
  digest: Bytes;
  /** The first end of all windows: after it the set is never given. */
  until: UnixSeconds;
  /** When the oldest part was fetched. */
  fetchedAt: UnixSeconds;
}>;

/** Which of AMD's documents a report is judged with. */
export type AmdAsk = Readonly<{
  line: SnpLine;
  key: AmdEndorsementKey;
  /** The chip and the TCB whose VCEK signed; null where the service has no leaf to give: a VLEK, a masked chip. */
  leaf: Readonly<{ hwid: Uint8Array; tcb: SnpTcb }> | null;
}>;

/** Leaf (where it can be had), intermediate and root, and the root's list: DER. */
export type AmdCollateralSet = Readonly<{ certificates: readonly Bytes[]; crl: Bytes; until: UnixSeconds }>;

/** One kept document, for people: nothing of its content. */
export type DocumentState = Readonly<{
  id: DocumentId;
  sha256: string;
  from: UnixSeconds;
  until: UnixSeconds;
  fetchedAt: UnixSeconds;
  isCurrent: boolean;
}>;

export type AmdChain = Readonly<{ intermediate: Bytes; root: Bytes; until: UnixSeconds }>;

/** What the devices of a bundle are judged with. */
export type NvidiaAsk = Readonly<{
  /** Ids that `rimDemands` gives. */
  manifests: readonly string[];
  /** Chains of devices, leaf first, whose links are verified: their CAs are asked about. */
  chains: readonly (readonly X509Certificate[])[];
}>;

export type NvidiaCollateralSet = Readonly<{
  /** Manifests by id. */
  rims: ReadonlyMap<string, Bytes>;
  /** OCSP responses, DER. */
  ocsp: readonly Bytes[];
  until: UnixSeconds;
}>;

/** Vendors' collateral: fetched, verified, kept. Everything it gives is current at that moment. */
export type CollateralService = Readonly<{
  /**
   * All that a TDX quote of this platform is verified with, field names as Intel's clients share them.
   * @throws CodedError USAGE_INVALID; ENDORSEMENT_UNREACHABLE, ENDORSEMENT_MISSING (unavailable: neither pass nor refusal)
   */
  getIntelCollateral(ask: IntelAsk): Promise<IntelCollateral>;
  /** {@link getIntelCollateral} with its digest, age and end. */
  getIntelCollateralSet(ask: IntelAsk): Promise<IntelCollateralSet>;
  /** Which sets of TCB levels Intel has for TDX. */
  getEvaluationNumbers(): Promise<EvaluationNumbers>;
  /** ASK or ASVK and the root, DER. @throws as {@link getIntelCollateral} */
  getAmdChain(line: SnpLine, key: AmdEndorsementKey): Promise<AmdChain>;
  /** DER. */
  getAmdCrl(line: SnpLine, key: AmdEndorsementKey): Promise<Bytes>;
  /** One chip's certificate for one TCB, DER. @param hwid 64 bytes, 8 for Turin */
  getVcek(ask: Readonly<{ line: SnpLine; hwid: Uint8Array; tcb: SnpTcb }>): Promise<Bytes>;
  /** All that a report is verified with. @throws as {@link getIntelCollateral} */
  getAmdCollateral(ask: AmdAsk): Promise<AmdCollateralSet>;
  /** Manifests, and answers on the devices' CAs and the manifests' signers. @throws as {@link getIntelCollateral} */
  getNvidiaCollateral(ask: NvidiaAsk): Promise<NvidiaCollateralSet>;
  /** What is kept, current or not, by id. */
  documents(): readonly DocumentState[];
  /** How often a document that was kept has become another. */
  changes(): number;
  /** Fetches anew what is due; call it now and then (every ten minutes). */
  prefetch(): Promise<Readonly<{ due: number; current: number }>>;
  /** All that is kept as one text, content-addressed; the same documents give the same text. */
  exportBundle(): string;
  /** @throws CodedError for a bundle that is malformed or holds anything that is not genuine: then nothing is kept */
  importBundle(text: string): Promise<Readonly<{ documents: number; kept: number }>>;
  /** Waits until what is kept is on disk. */
  flush(): Promise<void>;
}>;

/** Opens the service and reads its disk; a disk that cannot be read is reported, and what it held is fetched again. */
export async function openCollateralService(
  deps: CollateralDeps,
  options: CollateralOptions,
): Promise<CollateralService> {
  const report = deps.report ?? (() => undefined);
  const fetcher = createFetcher(deps, { ...FETCH_LIMITS, ...options.limits });
  const intel = options.intel === null ? null : createIntelClient(options.intel, fetcher);
  const kds = options.amdUrl === null ? null : createKdsClient(options.amdUrl, fetcher);
  const keptChain = async (line: SnpLine, key: AmdEndorsementKey) =>
    (await store.get(`amd-chain/${line}/${key}`)).parts;
  const urls = options.nvidiaUrls ?? { rim: null, ocsp: null };
  const nvidia = nvidiaKinds(createNvidiaClient(urls, fetcher, deps.randomness), urls, options.anchors);
  const kinds = {
    ...nvidia.kinds,
    ...intelKinds(intel, options.anchors),
    ...amdKinds(kds, options.anchors, keptChain),
  };
  const disk = deps.disk === undefined ? null : createDiskWriter(deps.disk, () => store.all(), report);
  const freshness = { ...FRESHNESS, ...options.freshness };
  const changed = () => disk?.changed();
  const store = new DocumentStore(kinds, { now: deps.now, monotonic: deps.monotonic, report, changed }, freshness);
  if (deps.disk !== undefined) await readDisk(deps.disk, store, report);
  return {
    getIntelCollateral: async (ask) => (await intelSet(store, ask)).collateral,
    getIntelCollateralSet: (ask) => intelSet(store, ask),
    getEvaluationNumbers: async () => evaluationNumbersOf((await store.get('tdx-evaluation-numbers')).parts),
    getAmdChain: async (line, key) => {
      const { parts, window } = await store.get(`amd-chain/${checkedLine(line)}/${key}`);
      return { intermediate: part(parts, 'intermediate'), root: part(parts, 'root'), until: window.until };
    },
    getAmdCrl: async (line, key) => part((await store.get(`amd-crl/${checkedLine(line)}/${key}`)).parts, 'crl'),
    getVcek: async ({ line, hwid, tcb }) => part((await store.get(vcekId(line, hwid, tcb))).parts, 'certificate'),
    getAmdCollateral: (ask) => amdSet(store, ask),
    getNvidiaCollateral: (ask) => nvidiaSet(store, nvidia, ask),
    documents: () =>
      store
        .all()
        .map((kept) => {
          const { id, sha256, window, fetchedAt } = kept;
          return { id, sha256, ...window, fetchedAt, isCurrent: store.isCurrent(kept) };
        })
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    changes: () => store.changes,
    prefetch: () => store.prefetch(),
    exportBundle: () => encodeCollateralBundle(store.all()),
    importBundle: (text) => importBundle(text, store),
    flush: async () => disk?.flush(),
  };
}

const part = (parts: KeptDocument['parts'], name: string): Bytes => fromHex(parts[name] as string, name);

function checkedLine(line: SnpLine): SnpLine {
  if (isSnpLine(line)) return line;
  throw new CodedError('USAGE_INVALID', 'not a product line of AMD');
}

function vcekId(line: SnpLine, hwid: Uint8Array, tcb: SnpTcb): DocumentId {
  const { hwidBytes } = productLine(checkedLine(line));
  if (hwid.length === hwidBytes) return `amd-vcek/${line}/${toHex(hwid)}/${tcbText(line, tcb)}`;
  throw new CodedError('USAGE_INVALID', `a chip of ${line} has an id of ${hwidBytes} bytes`);
}

async function amdSet(store: DocumentStore, { line, key, leaf }: AmdAsk): Promise<AmdCollateralSet> {
  const ids = [`amd-crl/${checkedLine(line)}/${key}`, `amd-chain/${line}/${key}`];
  if (leaf !== null) ids.unshift(vcekId(line, leaf.hwid, leaf.tcb));
  const documents = stillCurrent(store, await Promise.all(ids.map((id) => store.get(id))));
  const parts = Object.assign({}, ...documents.map((document) => document.parts)) as KeptDocument['parts'];
  const certificates = [...(leaf === null ? [] : ['certificate']), 'intermediate', 'root'].map((name) =>
    part(parts, name),
  );
  const until = Math.min(...documents.map(({ window }) => window.until));
  return { certificates, crl: part(parts, 'crl'), until };
}

async function nvidiaSet(store: DocumentStore, kinds: NvidiaKinds, ask: NvidiaAsk): Promise<NvidiaCollateralSet> {
  const manifests = await Promise.all(
    [...new Set(ask.manifests)].map(async (id) => ({ id, document: await store.get(`nvidia-rim/${id}`) })),
  );
  const rims = await Promise.all(manifests.map(({ document }) => kinds.rimOf(document.parts)));
  const links = [
    ...ask.chains.flatMap((chain) => DEVICE_POSITIONS.map((position) => ({ chain, position }))),
    ...rims.flatMap(({ chain }) => MANIFEST_POSITIONS.map((position) => ({ chain: chain.certificates, position }))),
  ];
  const ids = links.map(({ chain, position }) =>
    kinds.ocspId((chain[position] as X509Certificate).serial, chain.slice(position + 1)),
  );
  const answers = await Promise.all([...new Set(ids)].map((id) => store.get(id)));
  const documents = stillCurrent(store, [...manifests.map(({ document }) => document), ...answers]);
  return {
    rims: new Map(manifests.map(({ id, document }) => [id, utf8(document.parts.manifest as string)])),
    ocsp: answers.map(({ parts }) => part(parts, 'response')),
    until: Math.min(...documents.map(({ window }) => window.until)),
  };
}

/** The documents, where all are current now: one may have ended while another was waited for. */
function stillCurrent<T extends readonly KeptDocument[]>(store: DocumentStore, documents: T): T {
  if (documents.every((document) => store.isCurrent(document))) return documents;
  throw new CodedError('ENDORSEMENT_UNREACHABLE', 'a document ended while another was waited for');
}

async function intelSet(store: DocumentStore, ask: IntelAsk): Promise<IntelCollateralSet> {
  const { fmspc, ca, channel = 'standard' } = ask;
  if (!/^[0-9a-fA-F]{12}$/.test(fmspc)) throw new CodedError('USAGE_INVALID', 'an FMSPC is 12 hexadecimal digits');
  if (ca !== 'platform' && ca !== 'processor') throw new CodedError('USAGE_INVALID', 'no CA of this name');
  if (!/^(?:standard|early|[1-9]\d{0,8})$/.test(channel))
    throw new CodedError('USAGE_INVALID', 'no such set of TCB levels');
  const [tcbInfo, qeIdentity, pckCrl] = await Promise.all([
    store.get(`tdx-tcb-info/${fmspc.toLowerCase()}/${channel}`),
    store.get(`td-qe-identity/${channel}`),
    store.get(`pck-crl/${ca}`),
  ]);
  // Last: which root's list to expect is known from the others' chains.
  const rootCrl = await store.get('root-crl');
  const documents = stillCurrent(store, [tcbInfo, qeIdentity, pckCrl, rootCrl]);
  const collateral: IntelCollateral = {
    pck_crl_issuer_chain: pckCrl.parts.issuerChain,
    root_ca_crl: rootCrl.parts.crl,
    pck_crl: pckCrl.parts.crl,
    tcb_info_issuer_chain: tcbInfo.parts.issuerChain,
    tcb_info: tcbInfo.parts.text,
    tcb_info_signature: tcbInfo.parts.signature,
    qe_identity_issuer_chain: qeIdentity.parts.issuerChain,
    qe_identity: qeIdentity.parts.text,
    qe_identity_signature: qeIdentity.parts.signature,
  };
  return {
    collateral,
    digest: sha256(canonicalJsonBytes(collateral)),
    until: Math.min(...documents.map(({ window }) => window.until)),
    fetchedAt: Math.min(...documents.map(({ fetchedAt }) => fetchedAt)),
  };
}

async function readDisk(
  disk: CollateralDisk,
  store: DocumentStore,
  report: (event: CollateralEvent) => void,
): Promise<void> {
  try {
    const text = await disk.read();
    if (text !== null) await importBundle(text, store);
  } catch (error) {
    report(diskFailed(error));
  }
}

function diskFailed(error: unknown): CollateralEvent {
  if (error instanceof CodedError) return { event: 'diskFailed', code: error.code, why: error.message };
  return { event: 'diskFailed', code: 'STORAGE_UNUSABLE', why: 'the kept collateral could not be read or written' };
}

/** One write at a time; changes during a write make one more. */
function createDiskWriter(
  disk: CollateralDisk,
  documents: () => readonly KeptDocument[],
  report: (event: CollateralEvent) => void,
) {
  let writing: Promise<void> | null = null;
  let isDirty = false;
  const writeAll = async (): Promise<void> => {
    await undefined; // documents that arrive together are written together
    while (isDirty) {
      isDirty = false;
      try {
        await disk.write(encodeCollateralBundle(documents()));
      } catch (error) {
        report(diskFailed(error));
      }
    }
    writing = null;
  };
  return {
    changed: (): void => {
      isDirty = true;
      writing ??= writeAll();
    },
    flush: async (): Promise<void> => {
      while (writing !== null) await writing;
    },
  };
}
