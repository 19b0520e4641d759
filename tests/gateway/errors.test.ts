import { expect, test } from 'vitest';
import { errorResponse } from '../../src/client/gateway/errors.ts';
import { CodedError } from '../../src/core/index.ts';

test('a router that is full says when to come again, in the seconds of Retry-After', async () => {
  const busy = errorResponse(new CodedError('ROUTER_BUSY', 'every worker is taken', { retryAfterMs: 2_300 }));
  expect(busy.status).toBe(503);
  expect(busy.headers.get('retry-after')).toBe('3');
  const limited = errorResponse(new CodedError('TOO_MANY_REQUESTS', 'too much', { retryAfterMs: 40 }));
  expect(limited.status).toBe(429);
  expect(limited.headers.get('retry-after')).toBe('1');
});
