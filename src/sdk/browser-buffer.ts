import { Buffer } from 'buffer/';

/** Cells of TON, which vouchers are signed over, are made with Node's Buffer: here is one where there is none. */
Object.assign(globalThis, { Buffer: (globalThis as { Buffer?: unknown }).Buffer ?? Buffer });
