// Trains a classifier of sentences with the libraries that rnn-dist is made of: Datasets reads a file and cuts it into batches,
// RecurrentNN computes, Metrics scores the outputs, and Checkpoints reads the weights that were saved. Ends with status 1 if the loaded
// weights predict other classes.
//
//     classifier [FILE]        FILE has lines `class<TAB>text`; without it the program makes some

import Checkpoints
import Datasets
import Foundation
import Metrics
import RecurrentNN

/// Statements and questions of the same words, which only their order tells apart.
func sentences() -> [UInt8] {
  let subjects = ["the cat", "a dog", "my friend", "the old man", "this bird"]
  let places = ["here", "at home", "in the garden", "on the roof", "late"]
  var lines: [String] = []
  for subject in subjects {
    for verb in ["is", "was", "will be"] {
      for place in places {
        lines += ["statement\t\(subject) \(verb) \(place)", "question\t\(verb) \(subject) \(place)"]
      }
    }
  }
  return Array(lines.joined(separator: "\n").utf8)
}

/// Calls `body` with the words and the classes of some examples in the form that a model reads; nil if there are none.
func withArrays<Result>(
  of examples: [Int32], in set: ExampleSet, _ body: (InputSequences<Float>, OutputTargets<Float>) -> Result
) -> Result? {
  guard let source = set.source?.tokenSequences, let labels = set.target?.classLabels else { return nil }
  let lengths = examples.map { source.length(Int($0)) }
  let words = examples.flatMap { source[Int($0)] }
  let classes = examples.map { labels[Int($0)] }
  return words.withUnsafeBufferPointer { words in
    classes.withUnsafeBufferPointer { classes in
      guard let words = words.baseAddress, let classes = classes.baseAddress else { return nil }
      let input = InputSequences<Float>(lengths: lengths, content: .tokens(words, characters: nil))
      return body(input, .classes(classes))
    }
  }
}

/// The classes that a model predicts for all examples of a set.
func predictions(
  _ model: SequenceClassifier<Float>, _ parameters: ParameterBuffer<Float>, for set: ExampleSet
) -> [Int32] {
  let context = LayerContext(parameters: parameters, workspace: Workspace<Float>())
  let output = withArrays(of: Array(0..<Int32(set.count)), in: set) { input, _ in
    model.predict(input, context).output
  }
  guard case .classes(let predicted, probabilities: _)? = output else { return [] }
  return predicted
}

let text: TextSource =
  CommandLine.arguments.count > 1
  ? .file(CommandLine.arguments[1]) : .memory(sentences(), name: "sentences")
var data = DataOptions()
(data.format, data.tokens, data.validFraction) = (.tsv, .word, 0.2)
let corpus = try ExampleCorpus.load(
  DataSources(train: .file(text)), options: ExampleOptions(kind: .labeled, data))
guard let words = corpus.encoding.source, let classes = corpus.encoding.labels, let valid = corpus.valid
else {
  print("\(text.name): no texts with classes")
  exit(65)
}

let encoder = EncoderShape(
  .tokens(vocabularySize: words.count, embeddingSize: 16), network: NetworkOptions(hiddenSize: 32))
let model = try SequenceClassifier<Float>(
  SequenceClassifierShape(
    network: SequenceNetworkShape(encoder: encoder), output: .softmax(classes: classes.count)))
let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
let gradients = ParameterBuffer<Float>(model.layout)
let optimizer = Optimizer<Float>(settings: OptimizerSettings(kind: .adam), count: parameters.count)
let workspace = Workspace<Float>()
let context = LayerContext(parameters: parameters, workspace: workspace)

var batches = try corpus.train.trainingBatches(BatchOptions(.examples(16)))
for epoch in 0..<30 {
  batches.beginEpoch(epoch)
  var (total, count) = (0.0, 0)
  for index in 0..<batches.count {
    guard let batch = batches.batch(index, shard: 0, of: 1) else { continue }
    gradients.fill(0)
    let result = withArrays(of: batch.examples, in: batch.set) { input, targets in
      model.evaluate(LabeledBatch(input: input, targets: targets), into: gradients, context)
    }
    guard let loss = result else { continue }
    // Gradients are sums over the examples.
    let norm = gradientNorm(UnsafeBufferPointer(gradients.elements)) / Double(loss.tokens)
    optimizer.update(
      parameters, by: gradients, scale: clipFactor(norm: norm, maximum: 1) / Double(loss.tokens),
      learningRate: 0.01, in: workspace)
    (total, count) = (total + loss.total, count + loss.tokens)
  }
  if epoch % 10 == 9 { print(String(format: "epoch %2d: loss %.4f", epoch + 1, total / Double(count))) }
}

let predicted = predictions(model, parameters, for: valid)
if let reference = valid.target?.classLabels {
  let metrics = MetricGroup<LabelExample>.labels(markSpans: false)
  let sums = metrics.sums(of: [LabelExample(predicted: predicted, reference: reference)])
  for (metric, value) in metrics.values(of: sums) {
    print("\(metric.label) of \(valid.count) other sentences: \(value)")
  }
}

let folder = FileManager.default.temporaryDirectory.appending(path: "classifier-\(getpid())").path
try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
try parameters.save(to: "\(folder)/model.safetensors")
let vocabularies = try corpus.encoding.save(to: folder)
let saved = try SafetensorsFile(path: "\(folder)/model.safetensors")
print(
  "saved \(saved.names.count) tensors, such as \(saved.names[0]), and \(vocabularies.count) files of data")
let loaded = ParameterBuffer<Float>(model.layout)
try loaded.load(from: "\(folder)/model.safetensors")
try FileManager.default.removeItem(atPath: folder)
let isSame = !predicted.isEmpty && predictions(model, loaded, for: valid) == predicted
print("predictions with the loaded weights: \(isSame ? "equal" : "DIFFERENT")")
if !isSame { exit(1) }
