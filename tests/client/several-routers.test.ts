import { expect, test } from 'vitest';
import { type RouterTransport, severalRouters } from '../../src/client/index.ts';
import { CodedError, type ErrorCode } from '../../src/core/index.ts';
import type { ResponsePart, SealedOpen } from '../../src/session/index.ts';

const error = (code: ErrorCode) => new CodedError(code, code);
const MODEL = { modelDigest: new Uint8Array(32), name: 'm', workers: 1, contextTokensMax: 1 };
const PART: ResponsePart = { kind: 'frame', frame: new Uint8Array(1) };

/** A router that answers with its name, or is away in some way; says when it was asked. */
function router(name: string, asked: string[]) {
  const state = { away: null as ErrorCode | 'silent' | null, workers: 1 };
  const answer = async <Answer>(value: Answer, { deadline }: { deadline: number }): Promise<Answer> => {
    asked.push(`${name} until ${deadline}`);
    if (state.away === 'silent') throw error('DEADLINE_EXCEEDED');
    if (state.away !== null) throw error(state.away);
    return value;
  };
  const transport = {
    listModels: (of) => answer(state.workers === 0 ? [] : [{ ...MODEL, name }], of),
    getChannel: (channel, of) => answer({ channel, state: name } as never, of),
    async *infer(_open, _frames, of) {
      yield PART;
      yield await answer(PART, of);
    },
    close: () => asked.push(`${name} closed`),
  } as Pick<RouterTransport, 'listModels' | 'getChannel' | 'infer' | 'close'> as RouterTransport;
  return { state, transport };
}

function scene() {
  const asked: string[] = [];
  const [a, b] = [router('a', asked), router('b', asked)];
  const several = severalRouters([a.transport, b.transport], 256, () => 1_000);
  const state = async (deadline = 60_000) => (await several.getChannel('0:aa', { deadline })).state;
  return { asked, a, b, several, state };
}

test('the router that answered last is asked first; one that is away is left, and not asked again', async () => {
  const { asked, a, state } = scene();
  expect(await state()).toBe('a');
  a.state.away = 'ROUTER_UNREACHABLE';
  expect(await state()).toBe('b');
  a.state.away = null;
  expect(await state()).toBe('b');
  expect(asked).toEqual(['a until 6000', 'a until 6000', 'b until 60000', 'b until 6000']);
});

test.each(['ROUTER_UNREACHABLE', 'STORAGE_UNREACHABLE', 'NO_WORKER', 'silent'] as const)(
  'a router that answers %s is away; where all are, their answer is the answer',
  async (away) => {
    const { a, b, state } = scene();
    a.state.away = away;
    expect(await state()).toBe('b');
    b.state.away = 'ROUTER_UNREACHABLE';
    await expect(state()).rejects.toMatchObject({ code: away === 'silent' ? 'DEADLINE_EXCEEDED' : away });
  },
);

test('what is wrong with the request is wrong everywhere: nobody else is asked', async () => {
  const { asked, a, state } = scene();
  a.state.away = 'VOUCHER_REFUSED';
  await expect(state()).rejects.toMatchObject({ code: 'VOUCHER_REFUSED' });
  expect(asked).toHaveLength(1);
});

test('the caller’s own deadline and cancel end it', async () => {
  const { asked, a, several, state } = scene();
  a.state.away = 'silent';
  await expect(state(1_000)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  a.state.away = 'ROUTER_UNREACHABLE';
  const gone = several.getChannel('0:aa', { deadline: 60_000, signal: AbortSignal.abort() });
  await expect(gone).rejects.toMatchObject({ code: 'ROUTER_UNREACHABLE' });
  expect(asked).toHaveLength(2);
});

test('a router without workers is passed over for one that has some', async () => {
  const { a, b, several } = scene();
  a.state.workers = 0;
  expect((await several.listModels({ deadline: 60_000 })).map(({ name }) => name)).toEqual(['b']);
  b.state.workers = 0;
  expect(await several.listModels({ deadline: 60_000 })).toEqual([]);
});

test('an answer that its router leaves behind ends with ROUTER_CHANGED, and what comes next goes to another', async () => {
  const { a, several, state } = scene();
  const parts = several.infer({} as SealedOpen, [], { deadline: 60_000 })[Symbol.asyncIterator]();
  expect((await parts.next()).value).toEqual(PART);
  a.state.away = 'ROUTER_UNREACHABLE';
  await expect(parts.next()).rejects.toMatchObject({ code: 'ROUTER_CHANGED' });
  expect(await state()).toBe('b');
});

test('a session that this router does not know is no reason to leave it', async () => {
  const { a, several, state } = scene();
  a.state.away = 'NO_WORKER';
  const parts = several.infer({} as SealedOpen, [], { deadline: 60_000 })[Symbol.asyncIterator]();
  await parts.next();
  await expect(parts.next()).rejects.toMatchObject({ code: 'NO_WORKER' });
  a.state.away = null;
  expect(await state()).toBe('a');
});

test('one router alone is what it is; none is a mistake', () => {
  const { transport } = router('a', []);
  expect(severalRouters([transport], 7, () => 0)).toBe(transport);
  expect(() => severalRouters([], 0, () => 0)).toThrow(expect.objectContaining({ code: 'USAGE_INVALID' }));
});
