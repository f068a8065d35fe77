"""Writes bpe.json: a tokenizer that the library tokenizers (0.23) learns, and what it encodes.

    pip install tokenizers; python3 test/golden/make-bpe-golden.py
"""
import json
import os

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = [
    'The Time Traveller (for so it will be convenient to speak of him) was expounding a recondite '
    'matter to us. His grey eyes shone and twinkled, and his usually pale face was flushed.',
    "  two spaces, tabs\tand it's 1898 again; we'll see.\n\nNew lines  \n",
    '时光机器，时光旅行者。 café naïve 😀 aaaaaa banana bananas',
]
SAMPLES = [*TEXTS, 'unseen words <|end|> and<|end|>', '<|end|>', ' ', '', "don't time—traveller 时光 🚀"]

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=330, special_tokens=['<|end|>'], show_progress=False,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
tokenizer.train_from_iterator(TEXTS, trainer)
golden = {
    'texts': TEXTS,
    'json': json.loads(tokenizer.to_str()),
    'samples': [{
        'text': text, 'ids': tokenizer.encode(text).ids, 'tokens': tokenizer.encode(text).tokens,
        'decoded': tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False),
    } for text in SAMPLES],
}
with open(os.path.join(os.path.dirname(__file__), 'bpe.json'), 'w', encoding='utf-8') as out:
    json.dump(golden, out, ensure_ascii=False, separators=(',', ':'))
    out.write('\n')
