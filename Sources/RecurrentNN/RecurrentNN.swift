// Separate file: the modules that `import RecurrentNN` re-exports.
//
// `import RecurrentNN` is enough to use the library: these modules come with it, because its API mentions their types.
//
//     ParameterLayout, ParameterBuffer      the parameters of a model, and their gradients       (Parameters)
//     Optimizer, Schedule, clipFactor       gradient clipping and the updates                    (Optimizers)
//     OptionError                           incompatible and invalid options                       (Options)
//     Float and Double as Scalar,           numbers and arena memory                             (NumericKernels)
//     MatrixView, Arena, CounterRandom
//
// A model is built in three steps. The layers add their parameters to a `ParameterLayout.Builder`; a `ParameterBuffer` of
// the layout holds the values; a `LayerContext` gives both, with scratch memory, to the layers:
//
//     var builder = ParameterLayout.Builder()
//     let cell = LSTMCell<Float>(inputSize: 100, hiddenSize: 128, in: &builder)
//     let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)
//     let result = dynamicRNN(cell, Tensor(shape: [32, 10, 100], seed: 2), parameters: parameters)
//
// `ParameterBuffer.save(to:)` and `load(from:)` keep the values in a safetensors file. The package in the folder Examples
// trains a tagger, alone or data-parallel.

@_exported import NumericKernels
@_exported import Optimizers
@_exported import Options
@_exported import Parameters
