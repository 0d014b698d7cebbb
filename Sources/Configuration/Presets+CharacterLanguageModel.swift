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
    hidden_size: 320
    embedding_size: 64          # 66 characters need no more
    dropout: 0.3                # between the layers and at the last output
    embedding_dropout: 0        # kept whole, the table is projected once instead of every token

  data:
    tokens: char
    valid_fraction: 0.1         # the last tenth is never learnt

  training:
    batch_size: 64
    bptt: 64
    epochs: 17                  # 12 minutes on two cores
    optimizer: adam
    learning_rate: 0.0035
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
