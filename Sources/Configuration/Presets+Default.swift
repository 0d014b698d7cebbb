// The same text as configs/default.yaml, which a test compares: change both.
let defaultPreset = #"""
  # default: what `rnn-dist train` does alone. A small LSTM learns sentences about dates that the program
  # writes itself, such as "the 3rd of May, 2017 is 2017-05-03, a Wednesday.", in under two minutes on two
  # cores.
  #
  # This file is also the manual: every key is here. Change one on the command line (`model.layers=2`), or
  # copy the file. A key left out has the default that `rnn-dist config show` prints. Paths are relative to
  # the directory in which the program is started.

  task: language-model          # predict the next token of a text
  seed: 1                       # initial parameters, dropout and generated text follow from it

  model:
    cell: lstm                  # rnn | gru | lstm
    activation: tanh            # tanh | relu: nonlinearity of the rnn cell
    forget_bias: 0              # lstm: added to the forget gate; 1 makes it remember from the start
    gru_reset: after            # gru: reset gate after (PyTorch) | before (Cho et al. 2014) the product
    layers: 1                   # recurrent layers on top of each other
    hidden_size: 128            # units of each layer
    embedding_size: 64          # numbers that stand for a token at the input
    dropout: 0                  # share of units zeroed at the embedding, between layers, at the output
    embedding_dropout: null     # the same for the embedding alone; null: as dropout
    init_uniform: null          # a: every parameter starts from U(-a, a); null: PyTorch's initial values
    tie_embeddings: false       # one matrix for input and output; needs embedding_size = hidden_size

  data:
    train: null                 # the text to learn; null: generated, see generator
    valid: null                 # the text to score on; null: the last valid_fraction of the training text
    test: null                  # the text for `rnn-dist evaluate --split test`
    valid_fraction: 0.1         # only without valid; the vocabulary is counted on the rest
    format: text                # one stream of text
    tokens: char                # byte (256 values) | char (Unicode characters) | word (line ends are <eos>)
    lowercase: false            # true: A and a are the same
    min_count: 1                # char, word: rarer tokens become <unk>
    max_vocabulary: 50000       # char, word: the most frequent tokens, special ones included; 0: all
    generator: dates            # none | dates: what to write when train is null
    generated_size: 1000000     # characters of generated text

  training:
    batch_size: 32              # streams of text side by side, over all ranks together
    bptt: 48                    # tokens of each stream in a step; the state is carried to the next step
    epochs: 0                   # passes over the text; 0: not limited
    steps: 600                  # updates; 0: not limited; the first limit reached ends the run
    optimizer: adam             # sgd | momentum | nesterov | rmsprop | adagrad | adam | adamw
    learning_rate: 0.003        # before the schedule's factor
    momentum: 0.9               # momentum, nesterov
    decay: 0.99                 # rmsprop: decay of the mean square
    beta1: 0.9                  # adam, adamw: decay of the mean
    beta2: 0.999                # adam, adamw: decay of the mean square
    epsilon: null               # added to the denominator; null: the optimizer's own
    weight_decay: 0             # pull towards zero
    clip_norm: 5                # longest gradient, over all parameters; 0: off
    reproducible: false         # true: the same bits on 1, 2, 4 and 8 ranks
    precision: fp32             # fp32 | bf16: operands of matrix products; all the rest is fp32
    accumulate: 1               # chunks whose gradients are added up before an update
    skip_limit: 5               # steps in a row without a finite gradient that end the run
    drop_last_chunk: false      # true: leave out the shorter chunk at the end of an epoch
    schedule:
      kind: cosine              # constant | exponential | step | plateau | inverse-sqrt | cosine
      warmup_steps: 0           # updates over which the rate rises from zero
      start_epoch: 1            # step: epochs at the full rate
      factor: 0.5               # exponential, step: each further epoch; plateau: each time the metric stalls
      patience: 1               # plateau: evaluations in a row without improvement
      minimum: 0.02             # lowest rate, as a fraction of learning_rate; where cosine ends

  evaluation:
    every_steps: 200            # updates between two scores of the validation text; 0: once an epoch
    metric: perplexity          # loss | perplexity: decides which checkpoint is the best
    patience: 0                 # evaluations in a row without improvement that end the run; 0: off
    batch_size: 32              # streams into which the validation text is cut

  log:
    every_steps: 10             # updates between two reports
    tensorboard: true           # write events for TensorBoard as well

  checkpoint:
    every_steps: 200            # updates between two savings; 0: at the end of each epoch
    keep: 3                     # newest savings that stay, besides the best

  """#
