import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { INTEL_SGX_ROOT, loadIntelEndorsements } from '../../../src/attestation/index.ts';
import { fromUtf8, toHex } from '../../../src/core/index.ts';
import { readVector, readVectorJson, vectorsFolder, WHY_SKIPPED } from '../../vectors.ts';
import { codeOf, DAY, openAt, PATH, serveSet } from './intel-vendor.ts';
import { answerWith, startVendorServer, type VendorServer } from './vendor-server.ts';

const tdx = vectorsFolder('tdx');
const folder = tdx as string;

type Set = Record<
  | 'pck_crl_issuer_chain'
  | 'root_ca_crl'
  | 'pck_crl'
  | 'tcb_info_issuer_chain'
  | 'tcb_info'
  | 'tcb_info_signature'
  | 'qe_identity_issuer_chain'
  | 'qe_identity'
  | 'qe_identity_signature',
  string
>;
type Vectors = { collateral: { file: string; id: string; time: string; fmspc: string }[] };
type Teepot = { issuer_chain: string };

let server: VendorServer;
beforeAll(async () => {
  server = await startVendorServer();
});
afterAll(() => server.close());
beforeEach(() => server.clear());

const raw = (file: string) => readVector(folder, `collateral/raw/${file}`);
const open = async (at: number) => {
  const opened = await openAt(server, {}, {}, [INTEL_SGX_ROOT]);
  opened.clock.seconds = at;
  return opened;
};

describe.skipIf(tdx === null)(`Intel’s own answers${tdx === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  const sets = tdx === null ? [] : readVectorJson<Vectors>(folder, 'vectors.json').collateral;

  test('every captured set is had again whole, at its time', async () => {
    const tdxSets = sets.filter(({ id }) => id.startsWith('tdx-'));
    let count = 0;
    for (const { file, id, time, fmspc } of tdxSets) {
      const set = readVectorJson<Set>(folder, file);
      if (!Object.values(set).every((part) => typeof part === 'string')) continue; // a set without CRLs
      count++;
      server.clear();
      serveSet(server, set, 'hex');
      const { service } = await open(Date.parse(time) / 1000);
      const chain = set.pck_crl_issuer_chain;
      const { pckCrlIssuer } = await loadIntelEndorsements({ pck_crl_issuer_chain: chain }, [INTEL_SGX_ROOT]);
      const isPlatform =
        pckCrlIssuer.state === 'ok' && pckCrlIssuer.value.leaf.subject.commonName?.includes('Platform');
      const ca = isPlatform ? 'platform' : 'processor';
      const got = await service.getIntelCollateral({ fmspc, ca });
      expect([id, got]).toEqual([
        id,
        { ...set, pck_crl: set.pck_crl.toLowerCase(), root_ca_crl: set.root_ca_crl.toLowerCase() },
      ]);
      const otherCa = service.getIntelCollateral({ fmspc, ca: isPlatform ? 'processor' : 'platform' });
      expect(await codeOf(otherCa)).toBe('ENDORSEMENT_UNREACHABLE');
    }
    expect(count).toBeGreaterThan(8);
  });

  test('answers as they came over the wire, of June 2023', async () => {
    const at = Date.UTC(2023, 5, 20) / 1000;
    const chains = readVectorJson<Set>(folder, 'collateral/tdx-50806f-2023-07.json');
    const header = (name: string, pem: string) => ({ [name]: encodeURIComponent(pem) });
    const tcb = raw('go-tdx-guest-sample_tcbInfo_response');
    server.route(PATH.tcb, answerWith(tcb, header('TCB-Info-Issuer-Chain', chains.tcb_info_issuer_chain)));
    server.route(
      PATH.qe,
      answerWith(
        raw('go-tdx-guest-sample_qeIdentity_response'),
        header('SGX-Enclave-Identity-Issuer-Chain', chains.qe_identity_issuer_chain),
      ),
    );
    server.route(
      PATH.pckCrl,
      answerWith(raw('go-tdx-guest-pckcrl'), header('SGX-PCK-CRL-Issuer-Chain', chains.pck_crl_issuer_chain)),
    );
    server.route(PATH.rootCrl, answerWith(raw('go-tdx-guest-rootcrl.der')));
    const { service, clock } = await open(at);
    const ask = () => service.getIntelCollateralSet({ fmspc: '50806F000000', ca: 'platform' });
    const { collateral, until } = await ask();
    expect(fromUtf8(tcb)).toContain(collateral.tcb_info);
    expect(collateral.root_ca_crl).toBe(toHex(raw('go-tdx-guest-rootcrl.der')));
    expect(until).toBe(Date.UTC(2023, 6, 8, 7, 24, 59) / 1000); // of the QE identity, the first to end
    clock.seconds = until;
    expect((await ask()).until).toBe(until);
    clock.seconds = until + 1;
    expect(await codeOf(ask())).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('evaluation data numbers of May 2025', async () => {
    const at = Date.UTC(2025, 4, 28) / 1000;
    const answer = readVectorJson<Teepot & { tcb_evaluation_data_numbers_json: string }>(
      folder,
      'collateral/raw/teepot-tdx_tcb_eval_nums.json',
    );
    const serve = (text: string) =>
      server.route(
        '/tdx/certification/v4/tcbevaluationdatanumbers',
        answerWith(text, { 'TCB-Evaluation-Data-Numbers-Issuer-Chain': encodeURIComponent(answer.issuer_chain) }),
      );
    serve(answer.tcb_evaluation_data_numbers_json);
    const { service, clock } = await open(at);
    const { evaluationNumber, sets: numbers } = await service.getEvaluationNumbers();
    expect([evaluationNumber, numbers.map(({ number }) => number)]).toEqual([19, [19, 18, 17]]);
    clock.seconds += 60 * DAY;
    expect(await codeOf(service.getEvaluationNumbers())).toBe('ENDORSEMENT_UNREACHABLE');
    serve(
      answer.tcb_evaluation_data_numbers_json.replace('"tcbEvaluationDataNumber":19', '"tcbEvaluationDataNumber":29'),
    );
    const fresh = await open(at);
    expect(await codeOf(fresh.service.getEvaluationNumbers())).toBe('ENDORSEMENT_UNREACHABLE');
  });

  test('a captured chain whose certificates do not belong together', async () => {
    const id = 'tdx-b0c06f-2025-07';
    const set = readVectorJson<Set>(folder, `collateral/${id}.json`);
    const pem = fromUtf8(raw('oasis-core-tcb_info_v3_fmspc_00606A000000_certs_bad.pem'));
    serveSet(server, { ...set, tcb_info_issuer_chain: pem }, 'der');
    const { service, events } = await open(Date.parse(sets.find((one) => one.id === id)?.time ?? '') / 1000);
    const ask = service.getIntelCollateral({ fmspc: 'b0c06f000000', ca: 'platform' });
    expect(await codeOf(ask)).toBe('ENDORSEMENT_UNREACHABLE');
    expect(events.filter(({ event }) => event === 'failed')).toMatchObject([
      { document: 'tdx-tcb-info/b0c06f000000/standard' },
    ]);
  });
});
