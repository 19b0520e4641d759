import { afterEach, expect, test } from 'vitest';
import { fromUtf8, utf8 } from '../../src/core/index.ts';
import { parseBundle, parseVkey, verifyCheckpoint, verifyLogProof } from '../../src/log/index.ts';
import { createLogClient, digestOf, type Log, openLog, startLogServer } from '../../src/log/writer/index.ts';
import { codeOf, folder, heartbeat, ORIGIN, options } from './support.ts';

const TOKEN = 'a'.repeat(64);
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function served(): Promise<{ log: Log; url: string }> {
  const log = await openLog(options(folder()));
  const server = await startLogServer({ log, port: 0, token: TOKEN });
  closing.push(server.close, log.close);
  return { log, url: server.url };
}

test('a client in another process appends, reads and proves', async () => {
  const { log, url } = await served();
  const client = createLogClient({ url, token: TOKEN });
  const blob = utf8('evidence');
  const draft = { ...heartbeat(3), blobs: [digestOf(blob)] };
  const appended = await client.append(draft, { blobs: [blob], idempotencyKey: 'event-1' });
  expect(appended).toEqual({ index: 1, size: 2, repeated: false });
  expect(await client.append(draft, { blobs: [blob], idempotencyKey: 'event-1' })).toMatchObject({
    index: 1,
    repeated: true,
  });
  const verdict = await verifyLogProof(await client.entry(1), await client.proof(1), await client.vkey(), ORIGIN);
  expect(verdict).toMatchObject({ verdict: 'verified', index: 1, checkpoint: { size: 2 } });
  const { checkpoint } = await verifyCheckpoint(utf8(await client.checkpoint()), [parseVkey(log.vkey)], ORIGIN);
  expect(checkpoint.size).toBe(2);
  const stored = await fetch(`${url}/blob/${digestOf(blob).replace(':', '/')}`);
  expect(await stored.text()).toBe('evidence');
});

test('the append door refuses a wrong token, wrong leaves, blobs that are not there, and bodies that are too large', async () => {
  const { log, url } = await served();
  const client = createLogClient({ url, token: TOKEN });
  expect(await codeOf(createLogClient({ url, token: 'b'.repeat(64) }).append(heartbeat()))).toBe('LOG_UNAUTHORIZED');
  expect(await codeOf(createLogClient({ url }).append(heartbeat()))).toBe('LOG_UNAUTHORIZED');
  const wrong = [
    { ...heartbeat(), type: 'prompt' },
    { ...heartbeat(), body: {} },
    { ...heartbeat(), prev: 7 },
    { ...heartbeat(), note: 'x' },
    { ...heartbeat(), subject: 'a b' },
  ];
  for (const leaf of wrong) expect(await codeOf(client.append(leaf as never))).toBe('LOG_LEAF_INVALID');
  expect(await codeOf(client.append({ ...heartbeat(), blobs: [digestOf(utf8('gone'))] }))).toBe('LOG_BLOB_MISSING');
  expect(await codeOf(client.append(heartbeat(), { blobs: [utf8('not named')] }))).toBe('LOG_LEAF_INVALID');
  const large = await fetch(`${url}/append`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}` },
    body: new Uint8Array(13 * 1024 * 1024),
  }).then(
    (response) => response.status,
    () => 413, // the server may hang up while the body is still being sent
  );
  expect(large).toBe(413);
  expect(log.head().size).toBe(1);
  expect(await codeOf(createLogClient({ url: 'http://127.0.0.1:1' }).checkpoint())).toBe('LOG_UNREACHABLE');
});

test('tiles have one path each, within the published tree, with their content types', async () => {
  const { log, url } = await served();
  await Promise.all(Array.from({ length: 299 }, (_, i) => log.append(heartbeat(i))));
  const get = async (path: string) => {
    const response = await fetch(`${url}${path}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, type: response.headers.get('content-type'), bytes };
  };
  expect(log.head().size).toBe(300);
  for (const [path, length] of [
    ['/tile/0/000', 8192],
    ['/tile/0/001.p/44', 44 * 32],
    ['/tile/1/000.p/1', 32],
  ] as const) {
    const { status, type, bytes } = await get(path);
    expect([status, type, bytes.length]).toEqual([200, 'application/octet-stream', length]);
  }
  expect(parseBundle((await get('/tile/entries/000')).bytes, 256)).toHaveLength(256);
  expect(parseBundle((await get('/tile/entries/001.p/44')).bytes, 44)).toHaveLength(44);
  expect((await get('/checkpoint')).type).toBe('text/plain; charset=utf-8');
  const absent = [
    '/tile/0/001',
    '/tile/0/001.p/45',
    '/tile/0/000.p/256',
    '/tile/0/000.p/0',
    '/tile/00/000',
    '/tile/2/000',
  ];
  const odd = [
    '/tile/0/x000/000',
    '/tile/0/0',
    '/tile/0/../../log.key',
    '/tile/0/%2e%2e/log.key',
    '/log.key',
    '/log.db',
  ];
  const numbers = [
    '/proof/300',
    '/proof/-1',
    '/proof/01',
    '/entry/300',
    '/checkpoint/',
    `/${'a'.repeat(5000)}`,
    '/append',
  ];
  for (const path of [...absent, ...odd, ...numbers]) expect((await get(path)).status, path).toBe(404);
});

test('the page escapes what entries hold, and says that it verifies nothing', async () => {
  const { log, url } = await served();
  await log.append({
    type: 'incident',
    src: 'test',
    subject: 'log',
    body: { class: '<script>"&', text: digestOf(utf8('x')) },
  });
  const page = await fetch(url);
  const html = fromUtf8(new Uint8Array(await page.arrayBuffer()));
  expect(html).toContain('&lt;script&gt;\\&quot;&amp;');
  expect(html).not.toContain('<script');
  expect(html).toContain('verifies nothing');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
});
