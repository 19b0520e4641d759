/** GPUs through NVIDIA's collector: a program that behaves like it, and ones that don't. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { SIMULATED_H100, type SimulatedNvidiaDevice } from '../../src/attestation/simulate/index.ts';
import { nvidiaDevices } from '../../src/cli/compose/devices.ts';
import { systemRandomness } from '../../src/cli/compose/files.ts';
import { runProgram } from '../../src/cli/compose/run-program.ts';
import { type Bytes, CodedError, fromHex, toBase64, toHex, utf8 } from '../../src/core/index.ts';
import { COLLECTOR, openNvidiaDevices, type RunProgram, reportOf } from '../../src/worker/index.ts';
import { vendor } from '../attestation/nvidia/scene.ts';

const folder = mkdtempSync(join(tmpdir(), 'chrysalis-collector-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const gpus = [vendor.device('collected-0', SIMULATED_H100), vendor.device('collected-1', SIMULATED_H100)];
const manifests = join(folder, 'manifests');
mkdirSync(manifests);
for (const { id, manifest } of vendor.manifests(SIMULATED_H100)) writeFileSync(join(manifests, `${id}.xml`), manifest);
const anchors = [vendor.deviceAnchor, vendor.rimAnchor];

const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE-----\n${(toBase64(der).match(/.{1,64}/g) ?? []).join('\n')}\n-----END CERTIFICATE-----\n`;
const rowOf = (gpu: SimulatedNvidiaDevice, nonce: Bytes) => ({
  arch: 'HOPPER',
  nonce: toHex(nonce),
  evidence: toBase64(gpu.report(nonce, systemRandomness(32))),
  certificate: toBase64(utf8(gpu.chain.map(pem).join(''))),
});
type Rows = ReturnType<typeof rowOf>[];
type Answer = Readonly<Record<string, unknown>>;

/** A collector in this process; `change` is what is wrong with the answer of this run, counted from 1. */
function collector(
  change: (answer: Answer & { evidences: Rows }, run: number, nonce: Bytes) => unknown = (answer) => answer,
) {
  const calls: (readonly string[])[] = [];
  const run: RunProgram = async (program, args) => {
    calls.push([program, ...args]);
    if (program !== COLLECTOR) return new Uint8Array(0);
    const nonce = fromHex(args[args.indexOf('--nonce') + 1] as string, 'nonce');
    const rows = args[args.indexOf('--device') + 1] === 'gpu' ? gpus.map((gpu) => rowOf(gpu, nonce)) : [];
    const collected = calls.filter(([name]) => name === COLLECTOR).length;
    return utf8(JSON.stringify(change({ evidences: rows, result_code: 0, result_message: 'Ok' }, collected, nonce)));
  };
  return { run, calls };
}
const open = (run: RunProgram) => openNvidiaDevices({ run, randomness: systemRandomness, switches: false });
const codeOf = (of: Promise<unknown>): Promise<string> =>
  of.then(
    () => 'opened',
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );

test('one run answers for all devices; they are checked, and only then made ready', async () => {
  const { run, calls } = collector();
  const devices = await nvidiaDevices(manifests, false, { run, anchors });
  expect(devices.map(({ kind, id }) => [kind, toHex(id)])).toEqual(gpus.map(({ id }) => [1, toHex(id)]));
  expect(calls.map(([program]) => program)).toEqual([COLLECTOR, COLLECTOR, '/usr/bin/nvidia-smi']);
  expect(calls.at(-1)).toEqual(['/usr/bin/nvidia-smi', 'conf-compute', '-srs', '1']);
  const nonce = systemRandomness(32);
  const reports = await Promise.all(devices.map((device) => reportOf(device, nonce)));
  expect(new Set(reports.map(toHex)).size).toBe(2);
  expect(calls).toHaveLength(4); // one run for both
  expect(await nvidiaDevices(undefined, false, { run, anchors })).toEqual([]);
});

test('runs follow one another, and one that failed is made again for the next question', async () => {
  let running = 0;
  let most = 0;
  const { run } = collector();
  let fails = false;
  const slow: RunProgram = async (...asked) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((done) => setTimeout(done, 5));
    running -= 1;
    if (fails) throw new CodedError('PLATFORM_UNSUPPORTED', 'not now');
    return run(...asked);
  };
  const [first, second] = await open(slow);
  const nonces = Array.from({ length: 4 }, () => systemRandomness(32));
  await Promise.all(nonces.map((nonce, i) => (i % 2 === 0 ? first : second)!.report(nonce)));
  expect(most).toBe(1);
  fails = true;
  const nonce = systemRandomness(32);
  expect(await codeOf(first!.report(nonce))).toBe('PLATFORM_UNSUPPORTED');
  fails = false;
  expect(await codeOf(first!.report(nonce))).toBe('opened');
});

describe('devices are refused', () => {
  const wrong: readonly [what: string, change: Parameters<typeof collector>[0]][] = [
    ['where the collector failed', (answer) => ({ ...answer, result_code: 1, evidences: null })],
    ['where it does not say that it did not', ({ evidences }) => ({ evidences })],
    ['where there is none', (answer) => ({ ...answer, evidences: [] })],
    ['where one is there twice', (answer) => ({ ...answer, evidences: [answer.evidences[0], answer.evidences[0]] })],
    ['over another nonce', (answer) => ({ ...answer, evidences: [rowOf(gpus[0]!, systemRandomness(32))] })],
    ['without certificates', (answer) => ({ ...answer, evidences: [{ ...answer.evidences[0], certificate: '' }] })],
    ['without a report', (answer) => ({ ...answer, evidences: [{ certificate: answer.evidences[0]!.certificate }] })],
    ['with a report cut short', (answer) => ({ ...answer, evidences: [{ ...answer.evidences[0], evidence: 'EQ==' }] })],
    ['that are no list', (answer) => ({ ...answer, evidences: { 0: answer.evidences[0] } })],
    ['in a document that is none', () => 'logs before the answer'],
  ];
  test.each(wrong)('%s', async (_, change) => {
    const code = await codeOf(open(collector(change).run));
    expect(code).toMatch(/^[A-Z_]+$/);
    expect(['opened', 'INVARIANT_BROKEN']).not.toContain(code);
  });

  test.each<[string, Parameters<typeof collector>[0]]>([
    ['is gone later', (answer, run) => (run === 1 ? answer : { ...answer, evidences: answer.evidences.slice(1) })],
    [
      'has come later',
      (answer, run, nonce) =>
        run === 1
          ? answer
          : { ...answer, evidences: [...answer.evidences, rowOf(vendor.device('hot-plugged', SIMULATED_H100), nonce)] },
    ],
    [
      'is another one later',
      (answer, run, nonce) =>
        run === 1
          ? answer
          : { ...answer, evidences: [rowOf(vendor.device('swapped', SIMULATED_H100), nonce), answer.evidences[1]] },
    ],
  ])('where one %s', async (_, change) => {
    const [first] = await open(collector(change).run);
    expect(await codeOf(first!.report(systemRandomness(32)))).toBe('DEVICES_REFUSED');
  });

  test('that chain to another root, or whose manifests the image does not have; and they are not made ready', async () => {
    const { run, calls } = collector();
    expect(await codeOf(nvidiaDevices(manifests, false, { run, anchors: [] }))).toBe('DEVICES_REFUSED');
    const others = join(folder, 'others');
    mkdirSync(others);
    writeFileSync(join(others, 'NV_GPU_DRIVER_OTHER.xml'), '<SoftwareIdentity/>');
    expect(await codeOf(nvidiaDevices(others, false, { run, anchors }))).toBe('DEVICES_REFUSED');
    expect(await codeOf(nvidiaDevices(join(folder, 'nowhere'), false, { run, anchors }))).toBe('CONFIG_INVALID');
    expect(calls.filter(([program]) => program !== COLLECTOR)).toEqual([]);
  });
});

describe('as a program of its own', () => {
  const program = (name: string, body: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!${process.execPath}\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const limits = { timeoutMs: 60_000, bytesMax: 1024 };

  test('a collector that signs for real: found, checked, asked again', async () => {
    const states = join(folder, 'devices.json');
    writeFileSync(
      states,
      JSON.stringify(['process-0', 'process-1'].map((name) => vendor.deviceState(name, SIMULATED_H100))),
    );
    const simulate = resolve(import.meta.dirname, '../../src/attestation/simulate/index.ts');
    const script = program(
      'nvattest',
      `import { readFileSync } from 'node:fs';
const args = process.argv.slice(2);
console.error('log lines go to stderr');
import(${JSON.stringify(simulate)}).then(({ openSimulatedNvidiaDevice }) => {
  const nonce = Buffer.from(args[args.indexOf('--nonce') + 1], 'hex');
  const pem = (der) => '-----BEGIN CERTIFICATE-----\\n' + Buffer.from(der).toString('base64').match(/.{1,64}/g).join('\\n') + '\\n-----END CERTIFICATE-----\\n';
  const evidences = JSON.parse(readFileSync(${JSON.stringify(states)}, 'utf8')).map(openSimulatedNvidiaDevice).map((gpu) => ({
    arch: 'HOPPER', nonce: nonce.toString('hex'),
    evidence: Buffer.from(gpu.report(new Uint8Array(nonce), new Uint8Array(32))).toString('base64'),
    certificate: Buffer.from(gpu.chain.map(pem).join('')).toString('base64'),
  }));
  process.stdout.write(JSON.stringify({ evidences, result_code: 0, result_message: 'Ok' }, null, 2) + '\\n');
});`,
    );
    const run: RunProgram = (path, ...rest) =>
      path === COLLECTOR ? runProgram(script, ...rest) : Promise.resolve(new Uint8Array(0));
    const devices = await nvidiaDevices(manifests, false, { run, anchors });
    expect(devices).toHaveLength(2);
    expect(await codeOf(reportOf(devices[1]!, systemRandomness(32)))).toBe('opened');
  }, 60_000);

  test('one that hangs is killed, one that talks without end too; neither is believed', async () => {
    const hangs = program('hangs', 'setInterval(() => {}, 1000);');
    expect(await codeOf(runProgram(hangs, [], { ...limits, timeoutMs: 300 }))).toBe('DEADLINE_EXCEEDED');
    const talks = program('talks', "const more = () => process.stdout.write('x'.repeat(65536), more); more();");
    expect(await codeOf(runProgram(talks, [], limits))).toBe('PROCESS_FAILED');
    expect(await codeOf(runProgram(program('fails', 'process.exit(3);'), [], limits))).toBe('PROCESS_FAILED');
    expect(await codeOf(runProgram(join(folder, 'absent'), [], limits))).toBe('PLATFORM_UNSUPPORTED');
  }, 60_000);

  test('it gets its arguments as they are and nothing of our environment', async () => {
    const shows = program(
      'shows',
      'process.stdout.write(JSON.stringify([process.argv.slice(2), Object.keys(process.env).sort()]));',
    );
    const [args, names] = JSON.parse(
      new TextDecoder().decode(await runProgram(shows, ['a b', '$HOME', ';id'], limits)),
    );
    expect([args, names]).toEqual([
      ['a b', '$HOME', ';id'],
      ['HOME', 'LC_ALL', 'PATH'],
    ]);
  }, 60_000);
});
