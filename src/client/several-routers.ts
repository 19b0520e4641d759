import { CodedError, type ErrorCode, type UnixMs } from '../core/index.ts';
import type { CallOptions, RouterTransport } from './transport.ts';

/** The router is gone, cut off from what it needs, or has nobody to serve: another one may do better. */
const AWAY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ROUTER_UNREACHABLE',
  'STORAGE_UNREACHABLE',
  'STORAGE_FULL',
  'LOG_UNREACHABLE',
  'NO_WORKER',
]);
/** Also where a router says nothing for so long, while another one is there to ask. */
const ANSWER_MS = 5_000;

/**
 * One transport over several replicas of a router, which share their accounts: asks the one that answered last, and goes
 * on to the next where it is away. A request under way ends with it, as ROUTER_CHANGED: a new session goes through another.
 * @param routers one or more @param first the one to begin with: clients that begin with different ones share the load
 */
export function severalRouters(routers: readonly RouterTransport[], first: number, now: () => UnixMs): RouterTransport {
  const [only] = routers;
  if (only === undefined) throw new CodedError('USAGE_INVALID', 'no router to ask', { field: 'router' });
  if (routers.length === 1) return only;
  let current = first % routers.length;
  const leave = (router: RouterTransport): void => {
    if (routers[current] === router) current = (current + 1) % routers.length;
  };
  const isAway = (error: unknown, options: CallOptions): boolean =>
    error instanceof CodedError &&
    options.signal?.aborted !== true &&
    (AWAY.has(error.code) || (error.code === 'DEADLINE_EXCEEDED' && now() < options.deadline));

  /** Every one is asked at most once; the last one may take all the time that is left. */
  const ask = async <Answer>(
    options: CallOptions,
    once: (router: RouterTransport, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> => {
    for (let left = routers.length; ; left--) {
      const router = routers[current] as RouterTransport;
      const deadline = left > 1 ? Math.min(options.deadline, now() + ANSWER_MS) : options.deadline;
      try {
        return await once(router, { ...options, deadline });
      } catch (error) {
        if (left <= 1 || !isAway(error, options)) throw error;
        leave(router);
      }
    }
  };

  return {
    listModels: (options) =>
      ask(options, async (router, of) => {
        const models = await router.listModels(of);
        if (models.length === 0) throw new CodedError('NO_WORKER', 'no admitted worker serves at this router now');
        return models;
      }).catch((error: unknown) => {
        if (error instanceof CodedError && error.code === 'NO_WORKER') return [];
        throw error;
      }),
    getOffers: (hello, offersMax, options) => ask(options, (router, of) => router.getOffers(hello, offersMax, of)),
    async *infer(open, frames, options) {
      const router = routers[current] as RouterTransport;
      try {
        yield* router.infer(open, frames, options);
      } catch (error) {
        // A session of offers that another router gave finds no worker here: it is the session that has to go.
        const isForeign = error instanceof CodedError && error.code === 'NO_WORKER';
        if (isForeign || !isAway(error, options)) throw error;
        leave(router);
        throw new CodedError('ROUTER_CHANGED', 'the router went away', {}, { cause: error });
      }
    },
    getEvidence: (digest, options) => ask(options, (router, of) => router.getEvidence(digest, of)),
    getAdmission: (workerId, options) => ask(options, (router, of) => router.getAdmission(workerId, of)),
    getReceiptProof: (digest, options) => ask(options, (router, of) => router.getReceiptProof(digest, of)),
    getTerms: (options) => ask(options, (router, of) => router.getTerms(of)),
    // What these do is stored once, however often it is asked.
    delegate: (delegation, options) => ask(options, (router, of) => router.delegate(delegation, of)),
    submitVoucher: (voucher, options) => ask(options, (router, of) => router.submitVoucher(voucher, of)),
    getChannel: (channel, options) => ask(options, (router, of) => router.getChannel(channel, of)),
    requestClaim: (channel, options) => ask(options, (router, of) => router.requestClaim(channel, of)),
    close: () => {
      for (const router of routers) router.close();
    },
  };
}
