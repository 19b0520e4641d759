/** The Linux attester on a configfs that behaves as the kernel's: entries, generations, errors, and a host that is hostile. */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { encodeCertificateTable } from '../../src/attestation/index.ts';
import { concat, toHex, utf8 } from '../../src/core/index.ts';
import {
  ATTEMPTS_MAX,
  AUXILIARY_BYTES_MAX,
  CCEL,
  type GuestFiles,
  NO_DEVICES,
  openLinuxGuest,
  REPORT_BYTES_MAX,
  RTMR3,
  STUCK_MAX,
  TSM_REPORTS,
} from '../../src/worker/index.ts';

const system = (code: string) => Object.assign(new Error(code), { code });
const never = new Promise<never>(() => undefined);

/** What the kernel does with an entry: options count up a generation, the report is made when it is read. */
function kernel(provider: 'sev_guest' | 'tdx_guest' | 'other_guest' | null) {
  const entries = new Map<string, { inblob: Uint8Array | null; generation: number }>();
  const state = {
    entries,
    made: 0,
    rtmr3: new Uint8Array(48),
    auxblob: null as Uint8Array | null,
    ccel: null as Uint8Array | null,
    hasRegisters: true,
    /** What the next reads of outblob do instead. */
    faults: [] as (() => Promise<Uint8Array>)[],
    /** Somebody else who writes to every entry while its report is made. */
    rival: false,
  };
  const read = async (path: string): Promise<Uint8Array> => {
    if (path === CCEL && state.ccel !== null) return state.ccel;
    const [, name = '', attribute = ''] = /report\/([^/]+)\/(\w+)$/.exec(path) ?? [];
    const entry = entries.get(name);
    if (entry === undefined) throw system('ENOENT');
    if (attribute === 'provider') return utf8(`${provider}\n`);
    if (attribute === 'generation') return utf8(`${entry.generation}\n`);
    if (attribute === 'auxblob' && state.auxblob !== null) return state.auxblob;
    if (attribute !== 'outblob') throw system('ENOENT');
    const fault = state.faults.shift();
    if (fault !== undefined) return fault();
    if (entry.inblob === null) throw system('EINVAL');
    if (state.rival) entry.generation++;
    state.made++;
    return concat(utf8('report of '), entry.inblob);
  };
  const files: GuestFiles = {
    async read(path, bytesMax) {
      const bytes = await read(path);
      return bytes.length > bytesMax ? null : Uint8Array.from(bytes);
    },
    async write(path, bytes) {
      const entry = entries.get(/report\/([^/]+)\/inblob$/.exec(path)?.[1] ?? '');
      if (entry === undefined) throw system('ENOENT');
      if (bytes.length > 64) throw system('EINVAL');
      entry.inblob = bytes;
      entry.generation++;
    },
    writeNow(path, bytes) {
      if (path !== RTMR3 || bytes.length !== 48) throw system('EINVAL');
      state.rtmr3 = Uint8Array.from(createHash('sha384').update(state.rtmr3).update(bytes).digest());
    },
    exists: async (path) => path === RTMR3 && state.hasRegisters,
    async makeFolder(path) {
      if (provider === null) throw system('ENXIO');
      const name = path.slice(TSM_REPORTS.length + 1);
      if (entries.has(name)) throw system('EEXIST');
      entries.set(name, { inblob: null, generation: 0 });
    },
    async removeFolder(path) {
      entries.delete(path.slice(TSM_REPORTS.length + 1));
    },
  };
  return { files, state };
}

let waited: number[] = [];
let isLate = false;
beforeEach(() => {
  waited = [];
  isLate = false;
});
/** No time passes; attempts are late where a test says so. */
const delay = async (ms: number): Promise<void> => {
  waited.push(ms);
  if (ms >= 30_000 && !isLate) return never;
};
const open = (files: GuestFiles) => openLinuxGuest({ files, delay, instance: 'test' }, NO_DEVICES);
const data = new Uint8Array(64).fill(7);

describe('an SEV-SNP guest', () => {
  const ASK = '4ab7b379-bbac-4fe4-a02f-05aef327c782';
  const VCEK = '63da758d-e664-4564-adc5-f4b93be8accd';
  const CRL = '92f81bc3-5811-4d3d-97ff-d19f88dc67ea';

  test('a report with exactly the data given, the host’s certificates, no register, no entry left behind', async () => {
    const { files, state } = kernel('sev_guest');
    const rows = [VCEK, ASK, CRL].map((guid, at) => ({ guid, data: Uint8Array.of(at + 1) }));
    state.auxblob = encodeCertificateTable(rows);
    const machine = await open(files);
    expect([machine.tee, machine.extendRtmr3]).toEqual(['sev-snp', null]);
    expect(toHex(await machine.quote(data))).toBe(toHex(concat(utf8('report of '), data)));
    expect(machine.certificates?.().map(toHex)).toEqual(['01', '02']);
    expect(state.entries.size).toBe(0);
  });

  test.each([
    ['none', null],
    ['an empty one', new Uint8Array(0)],
    ['rubbish', new Uint8Array(100).fill(0xff)],
  ])('a certificate table that is %s leaves the report as good', async (_, auxblob) => {
    const { files, state } = kernel('sev_guest');
    state.auxblob = auxblob;
    const machine = await open(files);
    expect((await machine.quote(data)).length).toBe(74);
    expect(machine.certificates?.()).toEqual([]);
  });
});

describe('a TD', () => {
  test('a quote, RTMR3 extended with the digest of each event, the firmware’s log without its fill', async () => {
    const { files, state } = kernel('tdx_guest');
    const little = (value: number, width: number) =>
      Uint8Array.from({ length: width }, (_, at) => (value >> (8 * at)) & 255);
    const body = concat(
      utf8('Spec ID Event03\0'),
      new Uint8Array(8),
      little(1, 4),
      little(0xc, 2),
      little(48, 2),
      little(0, 1),
    );
    const log = concat(little(1, 4), little(3, 4), new Uint8Array(20), little(body.length, 4), body);
    state.ccel = concat(log, new Uint8Array(4096));
    const machine = await open(files);
    expect(machine.tee).toBe('tdx');
    machine.extendRtmr3?.(utf8('event'));
    const once = createHash('sha384').update('event').digest();
    expect(toHex(state.rtmr3)).toBe(createHash('sha384').update(new Uint8Array(48)).update(once).digest('hex'));
    expect(toHex(machine.firmwareLog as never)).toBe(toHex(log));
  });

  test.each([
    ['none', null],
    ['rubbish', new Uint8Array(100).fill(9)],
    ['too long', new Uint8Array(2 ** 20 + 1)],
  ])('a log that is %s is left out', async (_, ccel) => {
    const { files, state } = kernel('tdx_guest');
    state.ccel = ccel;
    expect((await open(files)).firmwareLog?.length).toBe(0);
  });

  test('without measurement registers it does not start: its keys could not be bound', async () => {
    const { files, state } = kernel('tdx_guest');
    state.hasRegisters = false;
    await expect(open(files)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
  });
});

describe('what goes wrong', () => {
  test.each([
    ['no provider', null, 'PLATFORM_UNSUPPORTED'],
    ['a provider that is neither', 'other_guest', 'PLATFORM_UNSUPPORTED'],
  ] as const)('%s', async (_, provider, code) => {
    await expect(open(kernel(provider).files)).rejects.toMatchObject({ code });
  });

  test('a busy host is asked again, with longer waits, and a bounded number of times', async () => {
    const { files, state } = kernel('tdx_guest');
    const machine = await open(files);
    const busy = () => Promise.reject(system('EBUSY'));
    state.faults = [busy, busy];
    expect((await machine.quote(data)).length).toBe(74);
    expect(waited.filter((ms) => ms < 30_000)).toEqual([100, 200]);
    state.faults = Array.from({ length: 50 }, () => busy);
    await expect(machine.quote(data)).rejects.toMatchObject({
      code: 'PLATFORM_UNSUPPORTED',
      facts: { system: 'EBUSY' },
    });
    expect(state.faults.length).toBe(50 - ATTEMPTS_MAX);
    expect(state.entries.size).toBe(0);
  });

  test.each(['EIO', 'EINVAL', 'ENOTTY'])('%s is not asked again', async (code) => {
    const { files, state } = kernel('tdx_guest');
    const machine = await open(files);
    state.faults = [() => Promise.reject(system(code))];
    await expect(machine.quote(data)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
    expect(state.faults.length).toBe(0);
  });

  test('not permitted is a matter of configuration', async () => {
    const { files } = kernel('tdx_guest');
    const makeFolder = () => Promise.reject(system('EACCES'));
    await expect(open({ ...files, makeFolder })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a report into which somebody else wrote is thrown away, every time', async () => {
    const { files, state } = kernel('sev_guest');
    const machine = await open(files);
    state.rival = true;
    const before = state.made;
    await expect(machine.quote(data)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
    expect(state.made - before).toBe(ATTEMPTS_MAX);
    state.rival = false;
    expect((await machine.quote(data)).length).toBe(74);
  });

  test.each([
    ['an empty report', 0],
    ['more than any report', REPORT_BYTES_MAX + 1],
  ])('%s is refused', async (_, length) => {
    const { files, state } = kernel('tdx_guest');
    const machine = await open(files);
    state.faults = [async () => new Uint8Array(length)];
    await expect(machine.quote(data)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
  });

  test('a table larger than any is refused, not read', async () => {
    const { files, state } = kernel('sev_guest');
    const machine = await open(files);
    state.auxblob = new Uint8Array(AUXILIARY_BYTES_MAX + 1);
    await expect(machine.quote(data)).rejects.toMatchObject({ code: 'PLATFORM_UNSUPPORTED' });
  });

  test('a kernel that never answers is given up on; after a few nobody waits any more, until one ends', async () => {
    const { files, state } = kernel('tdx_guest');
    const machine = await open(files);
    const ends: ((bytes: Uint8Array) => void)[] = [];
    state.faults = Array.from(
      { length: STUCK_MAX },
      () => () => new Promise<Uint8Array>((resolve) => ends.push(resolve)),
    );
    isLate = true;
    for (let at = 0; at < STUCK_MAX; at++) {
      await expect(machine.quote(data)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    }
    isLate = false;
    await expect(machine.quote(data)).rejects.toMatchObject({ code: 'TOO_MANY_REQUESTS' });
    await expect.poll(() => ends.length).toBe(STUCK_MAX);
    ends[0]?.(new Uint8Array(1));
    await expect
      .poll(() =>
        machine.quote(data).then(
          (quote) => quote.length,
          () => 0,
        ),
      )
      .toBe(74);
  });
});
