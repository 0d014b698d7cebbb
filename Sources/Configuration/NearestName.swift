import Options

/// Returns the name nearest to a mistyped one, or nil if no name is similar enough.
///
/// The last part of a dotted path is also compared by itself, so that a key in the wrong section is found. A name
/// longer than ``Misspelling/longest`` is not treated as a typing error.
package func nearestName(to name: String, among names: [String]) -> String? {
  guard name.utf8.count <= Misspelling.longest else { return nil }
  let last = lastPart(of: name)
  func distance(_ candidate: String) -> (distance: Int, tie: Int) {
    let whole = Misspelling.distance(name, candidate)
    return (min(whole, Misspelling.distance(last, lastPart(of: candidate)) + 1), whole)
  }
  let ranked = names.map { (name: $0, score: distance($0)) }
  guard let best = ranked.min(by: { $0.score < $1.score }) else { return nil }
  return best.score.distance <= Misspelling.tolerance(lastPart(of: best.name)) ? best.name : nil
}

private func lastPart(of path: String) -> String {
  path.split(separator: ".").last.map(String.init) ?? path
}

extension ConfigurationSchema {
  /// The known key for a mistyped or unknown one, or nil.
  static func nearestKey(to path: String) -> String? {
    familiarNames[lastPart(of: path)] ?? nearestName(to: path, among: allPaths)
  }

  /// Names of our keys in other programs, whose spelling is too different to find the key.
  package static let familiarNames = [
    "lr": "training.learning_rate", "bs": "training.batch_size", "batch": "training.batch_size",
    "wd": "training.weight_decay", "optim": "training.optimizer", "clip": "training.clip_norm",
    "grad_clip": "training.clip_norm", "max_grad_norm": "training.clip_norm",
    "seq_len": "training.bptt", "seq_length": "training.bptt", "max_epochs": "training.epochs",
    "max_steps": "training.steps", "hidden": "model.hidden_size", "units": "model.hidden_size",
    "rnn_size": "model.hidden_size", "emb": "model.embedding_size", "embed": "model.embedding_size",
    "num_layers": "model.layers", "nlayers": "model.layers", "rnn_type": "model.cell",
    "tied": "model.tie_embeddings", "vocab_size": "data.max_vocabulary", "beam_size": "decoding.beam",
  ]
}
