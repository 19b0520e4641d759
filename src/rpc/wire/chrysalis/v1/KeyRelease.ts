// Original file: proto/chrysalis/v1/release.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ReleaseChallenge as _chrysalis_v1_ReleaseChallenge, ReleaseChallenge__Output as _chrysalis_v1_ReleaseChallenge__Output } from '../../chrysalis/v1/ReleaseChallenge.ts';
import type { ReleaseChallengeRequest as _chrysalis_v1_ReleaseChallengeRequest, ReleaseChallengeRequest__Output as _chrysalis_v1_ReleaseChallengeRequest__Output } from '../../chrysalis/v1/ReleaseChallengeRequest.ts';
import type { ReleaseKeyRequest as _chrysalis_v1_ReleaseKeyRequest, ReleaseKeyRequest__Output as _chrysalis_v1_ReleaseKeyRequest__Output } from '../../chrysalis/v1/ReleaseKeyRequest.ts';
import type { ReleaseKeyResponse as _chrysalis_v1_ReleaseKeyResponse, ReleaseKeyResponse__Output as _chrysalis_v1_ReleaseKeyResponse__Output } from '../../chrysalis/v1/ReleaseKeyResponse.ts';

export interface KeyReleaseClient extends grpc.Client {
  GetReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  GetReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  GetReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  GetReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  getReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  getReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  getReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  getReleaseChallenge(argument: _chrysalis_v1_ReleaseChallengeRequest, callback: grpc.requestCallback<_chrysalis_v1_ReleaseChallenge__Output>): grpc.ClientUnaryCall;
  
  ReleaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  ReleaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  ReleaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  ReleaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  releaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  releaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  releaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  releaseKey(argument: _chrysalis_v1_ReleaseKeyRequest, callback: grpc.requestCallback<_chrysalis_v1_ReleaseKeyResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface KeyReleaseHandlers extends grpc.UntypedServiceImplementation {
  GetReleaseChallenge: grpc.handleUnaryCall<_chrysalis_v1_ReleaseChallengeRequest__Output, _chrysalis_v1_ReleaseChallenge>;
  
  ReleaseKey: grpc.handleUnaryCall<_chrysalis_v1_ReleaseKeyRequest__Output, _chrysalis_v1_ReleaseKeyResponse>;
  
}

export interface KeyReleaseDefinition extends grpc.ServiceDefinition {
  GetReleaseChallenge: MethodDefinition<_chrysalis_v1_ReleaseChallengeRequest, _chrysalis_v1_ReleaseChallenge, _chrysalis_v1_ReleaseChallengeRequest__Output, _chrysalis_v1_ReleaseChallenge__Output>
  ReleaseKey: MethodDefinition<_chrysalis_v1_ReleaseKeyRequest, _chrysalis_v1_ReleaseKeyResponse, _chrysalis_v1_ReleaseKeyRequest__Output, _chrysalis_v1_ReleaseKeyResponse__Output>
}
