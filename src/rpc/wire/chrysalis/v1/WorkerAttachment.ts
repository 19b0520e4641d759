// Original file: proto/chrysalis/v1/worker.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { RouterMessage as _chrysalis_v1_RouterMessage, RouterMessage__Output as _chrysalis_v1_RouterMessage__Output } from '../../chrysalis/v1/RouterMessage.ts';
import type { ServeFromRouter as _chrysalis_v1_ServeFromRouter, ServeFromRouter__Output as _chrysalis_v1_ServeFromRouter__Output } from '../../chrysalis/v1/ServeFromRouter.ts';
import type { ServeFromWorker as _chrysalis_v1_ServeFromWorker, ServeFromWorker__Output as _chrysalis_v1_ServeFromWorker__Output } from '../../chrysalis/v1/ServeFromWorker.ts';
import type { WorkerMessage as _chrysalis_v1_WorkerMessage, WorkerMessage__Output as _chrysalis_v1_WorkerMessage__Output } from '../../chrysalis/v1/WorkerMessage.ts';

export interface WorkerAttachmentClient extends grpc.Client {
  Attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  Attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  attach(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  attach(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage__Output>;
  
  Serve(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  Serve(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  serve(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  serve(options?: grpc.CallOptions): grpc.ClientDuplexStream<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter__Output>;
  
}

export interface WorkerAttachmentHandlers extends grpc.UntypedServiceImplementation {
  Attach: grpc.handleBidiStreamingCall<_chrysalis_v1_WorkerMessage__Output, _chrysalis_v1_RouterMessage>;
  
  Serve: grpc.handleBidiStreamingCall<_chrysalis_v1_ServeFromWorker__Output, _chrysalis_v1_ServeFromRouter>;
  
}

export interface WorkerAttachmentDefinition extends grpc.ServiceDefinition {
  Attach: MethodDefinition<_chrysalis_v1_WorkerMessage, _chrysalis_v1_RouterMessage, _chrysalis_v1_WorkerMessage__Output, _chrysalis_v1_RouterMessage__Output>
  Serve: MethodDefinition<_chrysalis_v1_ServeFromWorker, _chrysalis_v1_ServeFromRouter, _chrysalis_v1_ServeFromWorker__Output, _chrysalis_v1_ServeFromRouter__Output>
}
