// Original file: proto/chrysalis/v1/worker.proto


export interface RenewalRequest {
}

export interface RenewalRequest__Output {
}
