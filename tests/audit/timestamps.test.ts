import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AuditTrust, verifyTimeStamp } from '../../src/audit/index.ts';
import { type Bytes, CodedError, utf8, type X509Certificate } from '../../src/core/index.ts';
import { parseNote } from '../../src/log/index.ts';
import { audit, problemsOf, repack, Scene } from './scene.ts';
import { StampingAuthority, WHY_NO_OPENSSL } from './stamping-authority.ts';

const MESSAGE = utf8('example.com/log\n3\nAAAA\n');
const EXPIRED = '20210101000000Z';

describe.skipIf(WHY_NO_OPENSSL !== null)(
  `time stamps of OpenSSL${WHY_NO_OPENSSL === null ? '' : `: ${WHY_NO_OPENSSL}`}`,
  () => {
    const tsa = WHY_NO_OPENSSL === null ? new StampingAuthority() : (null as unknown as StampingAuthority);
    let good: Uint8Array;
    let root: X509Certificate;
    const verdict = (stamp: Uint8Array, roots = [root], message: Uint8Array = MESSAGE) =>
      verifyTimeStamp(stamp, message, roots);
    const refusal = async (stamp: Uint8Array, roots?: X509Certificate[]) => {
      const found = await verdict(stamp, roots);
      return found.outcome === 'holds' ? 'it holds' : `${found.outcome}: ${found.why}`;
    };

    beforeAll(() => {
      tsa.ca('root').ca('middle', { issuer: 'root' }).issue('direct', { issuer: 'root' });
      tsa.issue('stamper', { issuer: 'middle' });
      good = tsa.stamp(MESSAGE, 'stamper', ['middle']);
      root = tsa.certificate('root');
    }, 60_000);
    afterAll(() => tsa?.close());

    test.each(['sha256', 'sha384', 'sha512'])('one over %s, through an intermediate CA, holds', async (hash) => {
      const before = Math.floor(Date.now() / 1000);
      const found = await verdict(tsa.stamp(MESSAGE, 'stamper', ['middle'], hash));
      expect(found).toMatchObject({ outcome: 'holds', root: { subject: { commonName: 'root' } } });
      if (found.outcome !== 'holds') return;
      expect(found.at).toBeGreaterThanOrEqual(before - 1);
      expect(found.at).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + 1);
    });

    test('one with RSA keys all the way up holds, and so does one whose signer itself was named', async () => {
      tsa.ca('rsa-root', { key: 'rsa' }).issue('rsa-stamper', { issuer: 'rsa-root', key: 'rsa' });
      const stamp = tsa.stamp(MESSAGE, 'rsa-stamper');
      expect(await refusal(stamp, [tsa.certificate('rsa-root')])).toBe('it holds');
      expect(await refusal(stamp, [tsa.certificate('rsa-stamper')])).toBe('it holds');
      expect(await refusal(stamp)).toBe('unknown: its authority is under none of the roots that were brought');
    });

    test('what any signer makes of the same statement holds where the signer may, by serial number or by key', async () => {
      expect(await refusal(tsa.forge(good, ['direct']))).toBe('it holds');
      const extensions = 'extendedKeyUsage=critical,timeStamping\nsubjectKeyIdentifier=hash';
      tsa.issue('keyed', { issuer: 'root', extensions });
      expect(await refusal(tsa.forge(good, ['keyed'], ['-cades', '-keyid']))).toBe('it holds');
    });

    test('one that leaves its certificate out holds for whoever named that certificate', async () => {
      const bare = tsa.forge(good, ['direct'], ['-cades', '-nocerts']);
      expect(await refusal(bare, [root, tsa.certificate('direct')])).toBe('it holds');
      expect(await refusal(bare, [tsa.certificate('direct')])).toBe('it holds');
      expect(await refusal(bare, [root, tsa.certificate('stamper')])).toMatch(
        /^unknown: the certificate of its signer/,
      );
    });

    test('over another message', async () => {
      expect(await verdict(good, [root], utf8('another'))).toEqual({
        outcome: 'refused',
        why: 'it is over something else',
      });
    });

    test('by an authority under a root that nobody named', async () => {
      tsa.ca('stranger').issue('strange', { issuer: 'stranger' });
      expect(await refusal(tsa.stamp(MESSAGE, 'strange'))).toMatch(/^unknown: its authority is under none/);
      expect(await refusal(good, [])).toMatch(/^unknown: its authority is under none/);
      // The same name as the root that was named, another key.
      const other = new StampingAuthority();
      try {
        other.ca('root').issue('direct', { issuer: 'root' });
        expect(await refusal(other.stamp(MESSAGE, 'direct'))).toMatch(/^unknown: its authority is under none/);
      } finally {
        other.close();
      }
    });

    test.each([
      ['no extended key usage', 'keyUsage=critical,digitalSignature', 'is not for time stamping'],
      ['another purpose', 'extendedKeyUsage=critical,serverAuth', 'is not for time stamping'],
      ['any purpose', 'extendedKeyUsage=critical,anyExtendedKeyUsage', 'is not for time stamping'],
      ['more than one purpose', 'extendedKeyUsage=critical,timeStamping,codeSigning', 'is not for time stamping alone'],
      ['a purpose that is not critical', 'extendedKeyUsage=timeStamping', 'is not for time stamping alone'],
      ['a CA', `basicConstraints=critical,CA:TRUE\nextendedKeyUsage=critical,timeStamping`, 'is that of a CA'],
      [
        'keys for something else',
        'keyUsage=critical,keyAgreement\nextendedKeyUsage=critical,timeStamping',
        'may not make',
      ],
      [
        'an unknown critical extension',
        '1.2.3.4=critical,DER:0500\nextendedKeyUsage=critical,timeStamping',
        'has the unknown',
      ],
    ])('by a certificate with %s', async (what, extensions, why) => {
      const name = `unfit-${what.replaceAll(' ', '-')}`;
      tsa.issue(name, { issuer: 'root', extensions });
      const refused = await refusal(tsa.forge(good, [name]));
      expect(refused.startsWith(`refused: the certificate of its signer ${why}`)).toBe(true);
    });

    test('by a certificate that had expired, and under a CA that had', async () => {
      tsa.issue('expired', { issuer: 'root', until: EXPIRED });
      tsa.ca('expired-ca', { issuer: 'root', until: EXPIRED }).issue('under-expired', { issuer: 'expired-ca' });
      const late = 'refused: a certificate of its authority was not in date at the time it states';
      expect(await refusal(tsa.forge(good, ['expired']))).toBe(late);
      expect(
        await refusal(tsa.forge(good, ['under-expired'], ['-cades', '-certfile', tsa.path('expired-ca.pem')])),
      ).toBe(late);
    });

    test('through an intermediate that is no CA, one for other purposes, and one that is not there', async () => {
      tsa
        .issue('leaf', { issuer: 'root', extensions: 'keyUsage=critical,digitalSignature' })
        .issue('below', { issuer: 'leaf' });
      const ca = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nextendedKeyUsage=serverAuth';
      tsa.ca('web-ca', { issuer: 'root', extensions: ca }).issue('below-web', { issuer: 'web-ca' });
      for (const [signer, middle] of [
        ['below', 'leaf'],
        ['below-web', 'web-ca'],
      ] as const) {
        const stamp = tsa.forge(good, [signer], ['-cades', '-certfile', tsa.path(`${middle}.pem`)]);
        expect(await refusal(stamp)).toMatch(/^unknown: its authority is under none/);
      }
      expect(await refusal(tsa.stamp(MESSAGE, 'stamper'))).toMatch(/^unknown: its authority is under none/);
    });

    test('with a second signer, without saying which certificate is meant, or without the certificate', async () => {
      expect(await refusal(tsa.forge(good, ['direct', 'stamper']))).toBe('refused: signerInfos: more than one signer');
      expect(await refusal(tsa.forge(good, ['direct'], []))).toBe(
        'refused: its signer does not say which certificate is its own',
      );
      expect(await refusal(tsa.forge(good, ['direct'], ['-cades', '-nocerts']))).toMatch(
        /^unknown: the certificate of its signer/,
      );
      expect(await refusal(tsa.forge(good, ['direct'], ['-noattr']))).toMatch(/^refused: signerInfo.signedAttrs/);
    });

    test('cut anywhere, or with bytes behind its end', async () => {
      for (let length = 0; length < good.length; length += 7) {
        expect(await refusal(good.subarray(0, length))).toMatch(/^refused: /);
      }
      expect(await refusal(Uint8Array.from([...good, 0]))).toMatch(/^refused: .*bytes left/);
      expect(await refusal(new Uint8Array(70_000))).toMatch(/^refused: .*more than 65536 bytes/);
    });

    test('with any bit flipped it holds no longer, or says the same of the same authority', async () => {
      const before = await verdict(good);
      await fc.assert(
        fc.asyncProperty(fc.nat(good.length * 8 - 1), async (bit) => {
          const bytes = Uint8Array.from(good);
          bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
          const found = await verdict(bytes);
          if (found.outcome === 'holds') expect(found).toEqual(before);
        }),
        { numRuns: 400 },
      );
    });

    describe('in a bundle', () => {
      const trust = () => ({ stampRoots: [root] }) satisfies Partial<AuditTrust>;
      const made = async (): Promise<{ scene: Scene; body: Bytes; size: number }> => {
        const scene = new Scene();
        scene.at = Date.now() - 600_000; // OpenSSL stamps now
        await scene.open();
        const note = await scene.checkpoint();
        return { scene, body: utf8(parseNote(note).text), size: scene.entries.length };
      };
      const V16 = async (bundle: Uint8Array, more: Partial<AuditTrust> = trust()) =>
        (await audit(bundle, more)).checks.find(({ id }) => id === 'V16');

      test('V16 passes, and says when the checkpoint was there', async () => {
        const { scene, body, size } = await made();
        const stamp = Uint8Array.from(tsa.stamp(body, 'stamper', ['middle']));
        const bundle = await scene.bundle(0, { timestamps: new Map([[size, stamp]]) });
        const report = await audit(bundle, trust());
        expect(report.verdict).toBe('verified');
        expect(report.trust.stampRoots).toEqual([expect.stringMatching(/^root [0-9a-f]{64}$/)]);
        const check = report.checks.find(({ id }) => id === 'V16');
        expect(check).toMatchObject({ outcome: 'passed', problemCount: 0 });
        expect(check?.notes[0]).toMatch(new RegExp(`^checkpoints/${size} was there at 20.*under root `));
        // Without a root, and with another, nobody has checked who signed.
        const { stampRoots: _, ...none } = trust();
        expect(await V16(bundle, none)).toMatchObject({ outcome: 'notChecked' });
        expect(await V16(bundle, { stampRoots: [tsa.certificate('stamper'), root].slice(0, 1) })).toMatchObject({
          outcome: 'passed',
        });
        expect(await V16(bundle, { stampRoots: [] })).toMatchObject({ outcome: 'notChecked' });
      });

      test('V16 fails over another checkpoint, for a token of none, and where an entry is dated later', async () => {
        const { scene, body, size } = await made();
        const stamp = Uint8Array.from(tsa.stamp(body, 'stamper', ['middle']));
        await scene.beat();
        await scene.checkpoint();
        const other = await scene.bundle(0, { timestamps: new Map([[size + 1, stamp]]) });
        expect(await problemsOf(other, trust())).toMatchObject({ failed: ['V16'] });
        await expect(scene.bundle(0, { timestamps: new Map([[size + 7, stamp]]) })).rejects.toBeInstanceOf(CodedError);
        const moved = await repack(await scene.bundle(), (files) => files.set(`timestamps/${size + 7}.tsr`, stamp));
        expect((await problemsOf(moved, trust())).failed).toEqual(['V16']);
        // Entries of a time in which the stamp was made already: their log and its witness say so, the authority does not.
        const late = new Scene();
        late.at = Date.now() + 3_600_000;
        await late.open();
        const lateBody = utf8(parseNote(await late.checkpoint()).text);
        const early = Uint8Array.from(tsa.stamp(lateBody, 'stamper', ['middle']));
        const bundle = await late.bundle(0, { timestamps: new Map([[1, early]]) });
        const { failed, checks } = await problemsOf(bundle, trust());
        expect(failed).toEqual(['V16']);
        expect(checks.find(({ id }) => id === 'V16')?.problems[0]).toMatch(/dated after the time stamp/);
      });
    });
  },
);
