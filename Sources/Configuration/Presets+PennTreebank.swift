// The same text as configs/ptb-small.yaml, which a test compares: change both.
let pennTreebankPreset = #"""
  # ptb-small: the "small" recipe of TensorFlow's PTB tutorial after Zaremba, Sutskever and Vinyals (2014),
  # for the Penn Treebank with 10,000 words; perplexity 121.39 on valid and 115.91 on test were reported for
  # it.
  #
  #   rnn-dist train ptb-small data.train=ptb.train.txt data.valid=ptb.valid.txt data.test=ptb.test.txt
  #
  # The tutorial adds the loss over the 20 steps of a chunk and averages over the batch; here the loss is the
  # mean over all tokens, 20 times smaller. Its learning rate 1.0 and clipping norm 5 are therefore
  # 1.0 * 20 = 20 and 5 / 20 = 0.25: the same updates.

  task: language-model
  seed: 1

  model:
    cell: lstm
    forget_bias: 0
    layers: 2
    hidden_size: 200
    embedding_size: 200
    dropout: 0
    init_uniform: 0.1           # every parameter from U(-0.1, 0.1)

  data:
    tokens: word                # line ends are <eos>; the files write rare words as <unk>
    max_vocabulary: 10000       # the files hold 10,000 words, <unk> and <eos> included

  training:
    batch_size: 20
    bptt: 20
    epochs: 13
    optimizer: sgd
    learning_rate: 20           # 1.0 for a loss summed over the 20 steps
    clip_norm: 0.25             # 5 for a loss summed over the 20 steps
    drop_last_chunk: true       # whole chunks only
    schedule:
      kind: step
      start_epoch: 4            # four epochs at the full rate,
      factor: 0.5               # then halved each epoch

  evaluation:
    every_steps: 0              # once an epoch
    metric: perplexity

  checkpoint:
    every_steps: 0              # once an epoch
    keep: 3

  """#
