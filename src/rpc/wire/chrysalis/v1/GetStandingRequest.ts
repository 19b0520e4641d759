// Original file: proto/chrysalis/v1/worker.proto


export interface GetStandingRequest {
  'workerId'?: (Buffer | Uint8Array | string);
}

export interface GetStandingRequest__Output {
  'workerId': (Buffer);
}
