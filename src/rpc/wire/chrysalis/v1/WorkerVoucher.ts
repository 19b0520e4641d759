// Original file: proto/chrysalis/v1/worker.proto


export interface WorkerVoucher {
  'voucher'?: (Buffer | Uint8Array | string);
  'signature'?: (Buffer | Uint8Array | string);
  'key'?: (Buffer | Uint8Array | string);
}

export interface WorkerVoucher__Output {
  'voucher': (Buffer);
  'signature': (Buffer);
  'key': (Buffer);
}
