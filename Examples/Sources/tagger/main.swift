// Trains a bidirectional LSTM tagger on a toy task with Adam for 100 steps, then saves and loads its weights.
//
//     tagger                   one process
//     mpirun -np 2 tagger      data-parallel: each rank takes a part of every batch; the numbers are the same to rounding
//
// Ends with status 1 if the outputs with the loaded weights differ.

import Communication
import Foundation
import RecurrentNN

let (vocabularySize, batchSize, steps) = (6, 64, 100)

let communicator = try CommunicatorFactory.make()  // one process alone, or all ranks under mpirun
let (rank, ranks) = (communicator.rank, communicator.worldSize)

let tagger = try Tagger(vocabularySize: vocabularySize, embeddingSize: 16, hiddenSize: 32, tags: 2)
let parameters = ParameterBuffer<Float>(tagger.layout, seed: 1)  // the same values on every rank
let gradients = ParameterBuffer<Float>(tagger.layout)
let optimizer = Optimizer<Float>(settings: OptimizerSettings(kind: .adam), count: parameters.count)
let workspace = Workspace<Float>()
let context = LayerContext(parameters: parameters, workspace: workspace)

for step in 1...steps {
  let samples = stride(from: rank, to: batchSize, by: ranks)
  let batch = Batch(step: step, samples: samples, vocabularySize: vocabularySize)
  gradients.fill(0)
  let own = tagger.run(batch, into: gradients, context)

  // Gradients are sums over tokens: they are added over the ranks and divided once, by the tokens of all ranks.
  try communicator.allreduceSum(gradients.elements)
  var sums = [own.loss, own.correct, own.tokens]
  try sums.withUnsafeMutableBufferPointer { try communicator.allreduceSum($0) }
  let (loss, correct, tokens) = (sums[0], sums[1], sums[2])
  let norm = gradientNorm(UnsafeBufferPointer(gradients.elements)) / tokens
  optimizer.update(
    parameters, by: gradients, scale: clipFactor(norm: norm, maximum: 1) / tokens, learningRate: 0.02,
    in: workspace)

  if rank == 0, step == 1 || step % 20 == 0 {
    print(String(format: "step %3d: loss %.4f, accuracy %.3f", step, loss / tokens, correct / tokens))
  }
}

var isSame = true
if rank == 0 {
  let path = FileManager.default.temporaryDirectory.appending(path: "tagger-\(getpid()).safetensors").path
  defer { try? FileManager.default.removeItem(atPath: path) }
  try parameters.save(to: path)
  let loaded = ParameterBuffer<Float>(tagger.layout)
  try loaded.load(from: path)

  let batch = Batch(step: 0, samples: 0..<500, vocabularySize: vocabularySize)
  let before = tagger.run(batch, into: nil, context)
  let after = tagger.run(batch, into: nil, LayerContext(parameters: loaded, workspace: Workspace()))
  isSame = before.loss == after.loss
  print(
    String(
      format: "new data: accuracy %.3f; with the loaded weights %.3f, outputs %@",
      before.correct / before.tokens,
      after.correct / after.tokens, isSame ? "equal" : "DIFFERENT"))
}
try communicator.finalize()
exit(isSame ? 0 : 1)
