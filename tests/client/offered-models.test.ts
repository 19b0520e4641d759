import { expect, test } from 'vitest';
import { createOfferedModels } from '../../src/client/offered-models.ts';
import { CodedError } from '../../src/core/index.ts';

const call = { deadline: 0 };

function router() {
  const state = { names: ['a'], asked: 0, now: 0, away: false };
  const listModels = async () => {
    state.asked += 1;
    if (state.away) throw new CodedError('ROUTER_UNREACHABLE', 'away');
    return state.names.map((name) => {
      return { modelDigest: new Uint8Array(32).fill(name.charCodeAt(0)), name, workers: 1, contextTokensMax: 9 };
    });
  };
  return { state, offered: createOfferedModels({ listModels }, () => state.now) };
}

test('whoever asks for a model that was there a while ago does not wait: the router is asked beside, once', async () => {
  const { state, offered } = router();
  expect((await offered.find('a', call))?.name).toBe('a');
  state.now = 900;
  await offered.find('a', call);
  expect(state.asked).toBe(1);
  state.now = 30_000;
  state.away = true;
  for (let i = 0; i < 3; i++) expect((await offered.find('a', call))?.name).toBe('a');
  expect(state.asked).toBe(2);
  state.away = false;
  state.names = ['b'];
  await offered.find('a', call);
  expect(state.asked).toBe(3);
  await expect.poll(() => offered.find('a', call)).toBeNull();
});

test('a model that is not known is asked for at once, and so is everything after a minute', async () => {
  const { state, offered } = router();
  await offered.fresh(call);
  state.now = 1_500;
  state.names = ['a', 'b'];
  expect((await offered.find('b', call))?.name).toBe('b');
  expect(state.asked).toBe(2);
  state.now = 70_000;
  state.names = ['b'];
  expect(await offered.find('a', call)).toBeNull();
  expect(state.asked).toBe(3);
  state.away = true;
  state.now = 200_000;
  await expect(offered.find('b', call)).rejects.toMatchObject({ code: 'ROUTER_UNREACHABLE' });
});

test('an empty list is never kept, and what turned out to be old is forgotten', async () => {
  const { state, offered } = router();
  state.names = [];
  expect(await offered.find(undefined, call)).toBeNull();
  state.names = ['a'];
  expect((await offered.find(undefined, call))?.name).toBe('a');
  state.names = ['b'];
  offered.forget();
  expect((await offered.find(undefined, call))?.name).toBe('b');
});
