// The same text as configs/char-lm.yaml, which a test compares: change both.
let characterLanguageModelPreset = #"""
  # char-lm: characters of one book or play, for example tiny Shakespeare (1.1 million characters, from
  # https://github.com/karpathy/char-rnn, data/tinyshakespeare/input.txt):
  #
  #   rnn-dist train char-lm data.train=input.txt
  #
  # The last tenth of the text is kept for validation. `rnn-dist config show default` lists the other keys.

  task: language-model
  seed: 1

  model:
    cell: lstm
    layers: 2
    hidden_size: 256
    embedding_size: 256
    dropout: 0.25               # at the embedding, between the layers and at the last output

  data:
    tokens: char
    valid_fraction: 0.1         # the last tenth is never learnt

  training:
    batch_size: 64
    bptt: 64
    epochs: 14                  # the validation loss is near its lowest here
    optimizer: adam
    learning_rate: 0.004
    clip_norm: 1
    schedule:
      kind: cosine
      minimum: 0.02             # the run ends at 2 % of the learning rate

  evaluation:
    every_steps: 0              # once an epoch
    metric: loss                # nats per character

  checkpoint:
    every_steps: 0              # once an epoch
    keep: 3

  """#
