"""Writes text.json: what functions of the book's d2l/torch.py give for small texts.

    python3 test/golden/make-text-golden.py D2L_ZH/d2l/torch.py D2L_EN/d2l/torch.py

The arguments are the files of the Chinese edition (2.0.0) and of the English one (1.0.3). Only the
functions that are named here run: the file as a whole needs many packages.
"""
import ast
import collections
import json
import math
import os
import random
import re
import sys
import types

import torch


def load(path, names):
    """Runs the named functions and classes of a file. Returns its names."""
    tree = ast.parse(open(path, encoding='utf-8').read())
    wanted = [node for node in tree.body if getattr(node, 'name', None) in names]
    scope = {name: sys.modules[name] for name in ('collections', 'math', 'os', 'random', 're')}
    scope['torch'] = torch
    scope['d2l'] = types.SimpleNamespace(
        tensor=torch.tensor, int32=torch.int32, reshape=lambda x, shape: x.reshape(shape),
        reduce_sum=lambda x, axis: x.sum(axis), astype=lambda x, dtype: x.type(dtype))
    exec(compile(ast.Module(wanted, []), path, 'exec'), scope)
    for name in names:
        setattr(scope['d2l'], name, scope[name])
    return types.SimpleNamespace(**{name: scope[name] for name in names})


zh = load(sys.argv[1], [
    'tokenize', 'Vocab', 'count_corpus', 'preprocess_nmt', 'tokenize_nmt', 'truncate_pad',
    'build_array_nmt', 'bleu', 'batchify', 'get_tokens_and_segments', 'seq_data_iter_sequential'])
en = load(sys.argv[2], ['Vocab', 'bleu'])

LINES = [
    'the time machine by h g wells', 'the time traveller for so it will be convenient',
    '', 'was expounding a recondite matter to us his grey eyes', 'the  café 世界 \U0001f600 the',
]
NMT = ('Go.\tVa !\nHi.\tSalut !\nRun!\tCours\u202f!\nRun!\tCourez\u202f!\nWho?\tQui ?\n'
       'Wow!\tÇa\xa0alors\u202f!\nno tab here\nFire!\tAu feu !\textra\nGo on, then..\tVas-y, donc..')
PAIRS = [
    ('va !', 'va !', 2), ("j'ai perdu .", "j'ai perdu .", 2), ('il est riche .', 'il est calme .', 2),
    ('je suis chez moi chez moi .', 'je suis chez moi .', 3), ('a', 'a b c d', 4), ('x y', 'a b', 2),
    ('a b a b a', 'a b a', 4),
]
BATCH = [(1, [2, 2], [3, 3, 3, 3]), (1, [2, 2, 2], [3, 3])]


def vocab_rows():
    words, chars = zh.tokenize(LINES), zh.tokenize(LINES, 'char')
    rows = []
    for tokens, min_freq, reserved in [(words, 0, []), (words, 2, ['<pad>', 'time']), (chars, 3, [])]:
        old = zh.Vocab(tokens, min_freq=min_freq, reserved_tokens=reserved)
        new = en.Vocab(tokens, min_freq=min_freq, reserved_tokens=reserved)
        rows.append({
            'tokens': tokens, 'minFreq': min_freq, 'reservedTokens': reserved,
            'frequency': old.idx_to_token, 'codePoint': new.idx_to_token,
            'freqs': old.token_freqs, 'unk': new.unk,
            'indices': [old[line] for line in tokens],
        })
    return rows


def nmt():
    text = zh.preprocess_nmt(NMT)
    source, target = zh.tokenize_nmt(text)
    limited = zh.tokenize_nmt(text, 2)
    vocab = zh.Vocab(source, min_freq=2, reserved_tokens=['<pad>', '<bos>', '<eos>'])
    array, lengths = zh.build_array_nmt(source, vocab, 4)
    return {'text': NMT, 'normalized': text, 'source': source, 'target': target,
            'limited': limited, 'vocab': vocab.idx_to_token, 'array': array.tolist(),
            'lengths': lengths.tolist()}


def sequential():
    random.randint = lambda low, high: 3
    batches = zh.seq_data_iter_sequential(list(range(35)), 2, 5)
    return [[x.tolist(), y.tolist()] for x, y in batches]


golden = {
    'lines': LINES,
    'words': zh.tokenize(LINES),
    'chars': zh.tokenize(LINES, 'char'),
    'vocab': vocab_rows(),
    'nmt': nmt(),
    'bleu': [[*pair, en.bleu(*pair)] for pair in PAIRS],
    'batchify': [tensor.tolist() for tensor in zh.batchify(BATCH)],
    'segments': [zh.get_tokens_and_segments(['a', 'b']), zh.get_tokens_and_segments(['a'], ['b', 'c'])],
    'sequential': sequential(),
    'pads': [zh.truncate_pad([1, 2, 3], 5, 0), zh.truncate_pad([1, 2, 3], 2, 0)],
    'rounded': [round(length * 0.15) for length in range(128)],
}
file = os.path.join(os.path.dirname(__file__), 'text.json')
with open(file, 'w', encoding='utf-8') as out:
    json.dump(golden, out, ensure_ascii=False, separators=(',', ':'))
    out.write('\n')
