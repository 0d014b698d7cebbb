// Its own file: files of weights know the configuration by these lines alone.

import Tasks

extension RunConfiguration {
  /// The keys on which the function of a trained model depends, with their values: what the names and shapes of its
  /// weights don't say, such as `model.forget_bias` or `model.gru_reset`, and what they do. For the metadata of a file of
  /// weights.
  public var modelMetadata: [String: String] {
    let keys = ConfigurationSchema.keys.filter { key in
      (key.path == "task" || key.path.hasPrefix("model.") || key.path == "data.reverse_source")
        && key.change == .never && key.isRead(by: task)
    }
    return Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0.text(of: self)) })
  }

  /// The first key, in alphabetical order, for which the metadata of a file of weights have another value than this
  /// configuration; keys that one of the two does not have are passed over.
  public func modelDifference(from metadata: [String: String]) -> (
    key: String, recorded: String, own: String
  )? {
    for (key, own) in modelMetadata.sorted(by: { $0.key < $1.key }) {
      if let recorded = metadata[key], recorded != own { return (key, recorded, own) }
    }
    return nil
  }
}
