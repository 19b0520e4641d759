import { expect, test } from 'vitest';
import { answerLine } from '../../src/cli/log-check/batch.ts';
import * as browserMlDsa from '../../src/core/crypto/browser-ml-dsa.ts';
import * as nodeMlDsa from '../../src/core/crypto/node-ml-dsa.ts';
import { concat, toBase64, u64, utf8 } from '../../src/core/index.ts';
import { cosignedSubtree, formatNote, formatSignatureLine, formatVkey, verifierKey } from '../../src/log/index.ts';

type Answer = { ok: boolean; error: { code: string } | null; value: Record<string, unknown> | null };
const ask = async (question: Record<string, unknown>): Promise<Answer> =>
  JSON.parse(await answerLine(utf8(JSON.stringify({ id: 'x', ...question })))) as Answer;

test('ML-DSA-44 cosignatures: verified by both implementations, and refused for any change', async () => {
  // There is no published one: made here over the seed of all sevens, by the one and judged by the other.
  const body = `log.example/x\n5\n${toBase64(new Uint8Array(32).fill(9))}\n`;
  for (const [maker, judge] of [
    [nodeMlDsa, browserMlDsa],
    [browserMlDsa, nodeMlDsa],
  ] as const) {
    const made = await maker.mlDsa44Key(new Uint8Array(32).fill(7));
    const key = verifierKey('witness.example/w', 6, made.publicKey);
    const message = cosignedSubtree(key.name, 1_795_250_000, body);
    const signature = await maker.mlDsa44Sign(made as never, message);
    expect(await judge.mlDsa44Verify(key.publicKey, message, signature)).toBe(true);
    expect(await judge.mlDsa44Verify(key.publicKey, message, signature.subarray(1))).toBe(false);
    const noteOf = (text: string, name: string, payload: Uint8Array) =>
      toBase64(formatNote(text, [formatSignatureLine({ ...key, name }, payload)]));
    const payload = concat(u64(1_795_250_000), signature);
    const vkeys = [formatVkey(key)];
    expect(await ask({ op: 'cosignature', note: noteOf(body, key.name, payload), vkeys })).toMatchObject({
      ok: true,
      value: { cosignatures: [{ name: key.name, keyId: key.keyId, timestamp: '1795250000' }] },
    });
    // Extension lines are not what it signs; size, root, origin, time and the cosigner's name are.
    expect((await ask({ op: 'cosignature', note: noteOf(`${body}more\n`, key.name, payload), vkeys })).ok).toBe(true);
    const wrong = [
      noteOf(body.replace('\n5\n', '\n6\n'), key.name, payload),
      noteOf(body.replace('/x', '/y'), key.name, payload),
      noteOf(body, key.name, concat(u64(1_795_250_001), signature)),
      noteOf(body, key.name, payload.subarray(0, -1)),
      noteOf(body, key.name, concat(payload, u64(0))),
      noteOf('no checkpoint\n', key.name, payload),
    ];
    for (const note of wrong) expect((await ask({ op: 'cosignature', note, vkeys })).ok).toBe(false);
    const renamed = verifierKey('witness.example/v', 6, made.publicKey);
    const other = toBase64(formatNote(body, [formatSignatureLine(renamed, payload)]));
    expect((await ask({ op: 'cosignature', note: other, vkeys: [formatVkey(renamed)] })).error?.code).toBe(
      'LOG_SIGNATURE_INVALID',
    );
  }
});
