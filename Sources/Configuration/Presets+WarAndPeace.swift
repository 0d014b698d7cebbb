// The same text as configs/war-and-peace-bytes.yaml, which a test compares: change both.
let warAndPeacePreset = #"""
  # war-and-peace-bytes: bytes of War and Peace (3.3 MB), with the settings of Karpathy, Johnson and Li,
  # "Visualizing and Understanding Recurrent Networks" (2015), for one layer of 128 units. Cut the file into
  # its first 80 %, the next 10 % and the last 10 %:
  #
  #   rnn-dist train war-and-peace-bytes data.train=train.txt data.valid=valid.txt data.test=test.txt
  #
  # Add model.cell=rnn or model.cell=gru for the other cells of the paper's table 1.

  task: language-model
  seed: 1

  model:
    cell: lstm
    layers: 1
    hidden_size: 128
    embedding_size: 128
    init_uniform: 0.08          # every parameter from U(-0.08, 0.08)

  data:
    tokens: byte                # the file as it is: carriage returns and the byte order mark are tokens

  training:
    batch_size: 100
    bptt: 100
    epochs: 50
    optimizer: rmsprop
    learning_rate: 0.002
    decay: 0.95
    clip_norm: 5
    schedule:
      kind: step
      start_epoch: 10           # ten epochs at the full rate,
      factor: 0.95              # then 5 % less each epoch

  evaluation:
    every_steps: 0              # once an epoch
    metric: loss                # nats per byte
    patience: 5                 # five epochs in a row without a better loss end the run

  checkpoint:
    every_steps: 0              # once an epoch
    keep: 3

  """#
