import { ASKED } from './asked.ts';

Object.assign(globalThis, { asked: ASKED });
