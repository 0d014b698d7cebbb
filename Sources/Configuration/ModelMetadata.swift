// Separate file: only this part of the configuration is stored in weight files.

import Tasks

extension RunConfiguration {
  /// The keys and values that determine the function of a trained model, for the metadata of a weight file. They are
  /// the settings that the names and shapes of the weights don't show, such as `model.forget_bias` or
  /// `model.gru_reset`.
  public var modelMetadata: [String: String] {
    let keys = ConfigurationSchema.keys.filter { key in
      (key.path == "task" || key.path.hasPrefix("model.") || key.path == "data.reverse_source")
        && key.change == .never && key.isRead(by: task)
    }
    return Dictionary(uniqueKeysWithValues: keys.map { ($0.path, $0.text(of: self)) })
  }

  /// The task or else the first key, in alphabetical order, whose value in the metadata of a weight file differs from this
  /// configuration. Keys that one of the two does not have are ignored.
  public func modelDifference(from metadata: [String: String]) -> (
    key: String, recorded: String, own: String
  )? {
    // With another task the other keys differ too, but changing them would not help.
    let ownMetadata = modelMetadata.sorted {
      ($0.key == "task" ? "" : $0.key) < ($1.key == "task" ? "" : $1.key)
    }
    for (key, own) in ownMetadata {
      if let recorded = metadata[key], recorded != own { return (key, recorded, own) }
    }
    return nil
  }
}
