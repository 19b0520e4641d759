// Original file: proto/chrysalis/v1/admin.proto


export interface DrainWorkerRequest {
  'workerId'?: (Buffer | Uint8Array | string);
  'reason'?: (string);
}

export interface DrainWorkerRequest__Output {
  'workerId': (Buffer);
  'reason': (string);
}
