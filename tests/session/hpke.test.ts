import { CipherSuite, DhkemX25519HkdfSha256, ExportOnly, HkdfSha256 } from '@hpke/core';
import { XWing } from '@hpke/hybridkem-x-wing';
import * as panva from 'hpke';
import { describe, expect, test } from 'vitest';
import { type KemId, kemDecapsulate, kemPrivateKey } from '#crypto';
import { fromHex, toHex, utf8 } from '../../src/core/index.ts';
import { Exporter, exporterSecret, KEM_X25519, KEM_XWING, setupReceiver, setupSender } from '../../src/session/hpke.ts';
import { readVectorJson, vectorsFolder, WHY_SKIPPED } from '../vectors.ts';

type Case = Readonly<{
  mode: number;
  kem_id: number;
  kdf_id: number;
  aead_id: number;
  info: string;
  skRm: string;
  pkRm: string;
  enc: string;
  shared_secret: string;
  exporter_secret: string;
  exports: readonly { exporter_context: string; L: number; exported_value: string }[];
}>;
const folder = vectorsFolder('hpke');

describe.skipIf(folder === null)(`HPKE vectors${folder === null ? `: ${WHY_SKIPPED}` : ''}`, () => {
  for (const [file, kem] of [
    ['rfc9180.json', KEM_X25519],
    ['hpke-pq.json', KEM_XWING],
  ] as const) {
    test(`${file}, base mode, HKDF-SHA256`, async () => {
      const cases = readVectorJson<Case[]>(folder as string, file).filter(
        (c) => c.mode === 0 && c.kem_id === kem && c.kdf_id === 1,
      );
      expect(cases.length).toBeGreaterThan(0);
      expect(kem === KEM_XWING || cases.some((c) => c.aead_id === 0xffff)).toBe(true);
      for (const c of cases) {
        const key = await kemPrivateKey(kem, fromHex(c.skRm));
        expect(toHex(key.publicKey)).toBe(c.pkRm);
        const shared = await kemDecapsulate(key, fromHex(c.enc));
        expect(shared === null ? null : toHex(shared)).toBe(c.shared_secret);
        const secret = exporterSecret(kem, fromHex(c.shared_secret), fromHex(c.info), c.aead_id);
        expect(toHex(secret)).toBe(c.exporter_secret);
        const exporter = new Exporter(kem, secret, c.aead_id);
        for (const e of c.exports) {
          expect(toHex(exporter.exportRaw(fromHex(e.exporter_context), e.L))).toBe(e.exported_value);
        }
      }
    });
  }
});

const OTHER = { [KEM_XWING]: () => new XWing(), [KEM_X25519]: () => new DhkemX25519HkdfSha256() };
const buffer = (bytes: Uint8Array) => Uint8Array.from(bytes).buffer;

for (const kem of [KEM_XWING, KEM_X25519] as KemId[]) {
  test(`an independent implementation agrees on KEM ${kem.toString(16)}, in both directions`, async () => {
    const suite = new CipherSuite({ kem: OTHER[kem](), kdf: new HkdfSha256(), aead: new ExportOnly() });
    const info = utf8('info of both');
    const pair = await suite.kem.generateKeyPair();
    const theirs = new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey));
    const sent = await setupSender(kem, theirs, info);
    const recipient = await suite.createRecipientContext({
      recipientKey: pair.privateKey,
      enc: buffer(sent.enc),
      info: buffer(info),
    });
    expect(sent.exporter.exportRaw(utf8('x'), 44)).toEqual(
      new Uint8Array(await recipient.export(buffer(utf8('x')), 44)),
    );

    const own = await kemPrivateKey(kem, new Uint8Array(32).fill(9));
    const publicKey = await suite.kem.deserializePublicKey(buffer(own.publicKey));
    const sender = await suite.createSenderContext({ recipientPublicKey: publicKey, info: buffer(info) });
    const received = await setupReceiver(own, new Uint8Array(sender.enc), info);
    expect(received?.exportRaw(utf8('y'), 32)).toEqual(new Uint8Array(await sender.export(buffer(utf8('y')), 32)));
  });
}

const PANVA = { [KEM_XWING]: panva.KEM_MLKEM768_X25519, [KEM_X25519]: panva.KEM_DHKEM_X25519_HKDF_SHA256 };

for (const kem of [KEM_XWING, KEM_X25519] as KemId[]) {
  test(`a second independent implementation agrees on KEM ${kem.toString(16)}, in both directions`, async () => {
    const suite = new panva.CipherSuite(PANVA[kem], panva.KDF_HKDF_SHA256, panva.AEAD_EXPORT_ONLY);
    const info = utf8('info of both');
    const pair = await suite.GenerateKeyPair();
    const sent = await setupSender(kem, await suite.SerializePublicKey(pair.publicKey), info);
    const recipient = await suite.SetupRecipient(pair.privateKey, sent.enc, { info });
    expect(sent.exporter.exportRaw(utf8('x'), 44)).toEqual(await recipient.Export(utf8('x'), 44));

    const own = await kemPrivateKey(kem, new Uint8Array(32).fill(9));
    const publicKey = await suite.DeserializePublicKey(own.publicKey);
    const { encapsulatedSecret, ctx } = await suite.SetupSender(publicKey, { info });
    const received = await setupReceiver(own, Uint8Array.from(encapsulatedSecret), info);
    expect(received?.exportRaw(utf8('y'), 32)).toEqual(await ctx.Export(utf8('y'), 32));
  });
}

test('an erased exporter exports nothing and its secret is overwritten', () => {
  const secret = new Uint8Array(32).fill(8);
  const exporter = new Exporter(KEM_XWING, secret);
  exporter.erase();
  expect(secret).toEqual(new Uint8Array(32));
  expect(() => exporter.exportRaw(utf8('x'), 32)).toThrow('erased');
});
