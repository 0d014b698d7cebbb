import RecurrentNN

extension ExportedModel {
  /// The weights in the order and orientation of Keras, as `layer.set_weights` expects them. A recurrent layer has
  /// `NAME.l0.kernel` [D, G·H], `NAME.l0.recurrent_kernel` [H, G·H] and `NAME.l0.bias`, with gates in the order i f c o
  /// for an LSTM and z r h for a GRU (torch: i f g o, r z n), and `NAME.l0_reverse.…` for the other direction. The two
  /// biases are added, except those of a GRU with the reset gate after the product (`reset_after=True`), whose bias is
  /// [2, 3·H]. A linear layer has `NAME.kernel` [in, out], an embedding `NAME.embeddings`.
  ///
  /// Throws ``ExportFailure`` for cells that Keras does not have.
  func kerasWeights() throws(ExportFailure) -> ExportedWeights {
    var result = ExportedWeights()
    var rest = Set(weights.names)
    for network in networks {
      try network.requireKerasCell()
      for layer in network.layers {
        for suffix in layer.suffixes {
          let source = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map {
            "\(network.name).\($0)\(suffix)"
          }
          rest.subtract(source)
          add(network, source.map(weights.required), "\(network.name).\(suffix.dropFirst())", to: &result)
        }
      }
    }
    for name in weights.names where rest.contains(name) {
      let tensor = weights.required(name)
      let stem = name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : nil
      if let stem, stem.hasSuffix("embedding") || stem == "condition" {
        result["\(stem).embeddings"] = tensor
      } else if let stem {
        result["\(stem).kernel"] = tensor.transposed
      } else {
        result[name] = tensor
      }
    }
    return result
  }

  private func add(
    _ network: RecurrentPart, _ tensors: [ExportedTensor], _ name: String, to result: inout ExportedWeights
  ) {
    let isGRU = network.options.cell.kind == .gru
    // Keras has z before r.
    func ordered(_ tensor: ExportedTensor) -> ExportedTensor {
      guard isGRU else { return tensor }
      let gate = tensor.values.count / 3
      let (r, z, n) = (tensor.values[..<gate], tensor.values[gate..<2 * gate], tensor.values[(2 * gate)...])
      return ExportedTensor(tensor.shape, Array(z) + Array(r) + Array(n))
    }
    let parts = tensors.map(ordered)
    result["\(name).kernel"] = parts[0].transposed
    result["\(name).recurrent_kernel"] = parts[1].transposed
    let (input, recurrent) = (parts[2], parts[3])
    result["\(name).bias"] =
      isGRU && network.options.cell.gruReset == .after
      ? ExportedTensor([2] + input.shape, input.values + recurrent.values)
      : ExportedTensor(input.shape, zip(input.values, recurrent.values).map { $0 + $1 })
  }
}

extension RecurrentPart {
  fileprivate func requireKerasCell() throws(ExportFailure) {
    guard isONNXOperator, options.cell.projectionSize == nil, options.connection == .none else {
      throw ExportFailure(
        "\(name) is not what SimpleRNN, GRU or LSTM of Keras computes: export without --keras-order")
    }
  }
}

extension ExportedTensor {
  /// The array with its dimensions in reverse order: [out, in] becomes [in, out], and the filters [out, in, width] of a
  /// convolution become [width, in, out].
  var transposed: ExportedTensor {
    var result = [Float](repeating: 0, count: values.count)
    for (index, value) in values.enumerated() {
      var (rest, position) = (index, 0)
      for extent in shape.reversed() {
        position = position * extent + rest % extent
        rest /= extent
      }
      result[position] = value
    }
    return ExportedTensor(shape.reversed(), result)
  }
}
