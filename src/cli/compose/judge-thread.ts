import { serveOrders } from '../threads.ts';
import { createJudge } from './judging.ts';

/** A thread that works for `judging.ts`. */
serveOrders(createJudge());
