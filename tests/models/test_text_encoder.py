"""Text encoders of local folders: what they read, what they refuse, and what they compute."""
import json
import sys

import numpy as np
import pytest
import torch

from humanbench.engine.estimate import estimate
from humanbench.engine.launch import complete, load_config
from humanbench.errors import CheckpointError, UserError
from humanbench.minihuman.captions import caption
from humanbench.minihuman.person import make_person
from humanbench.models.text import TextEncoder, write_text_folder
from humanbench.models.text.folder import SHIPPED, load_tokenizer, text_folder

SENTENCES = ['A woman in a red dress.', 'The man wears a blue shirt and jeans.', 'A bag.']


def minihuman_captions(first: int, last: int) -> list[str]:
    return [caption(make_person(i), np.random.default_rng(i), 40 * (i % 2)) for i in range(first, last)]


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """A folder with random weights, as one that was downloaded has learnt ones."""
    folder = write_text_folder(tmp_path_factory.mktemp('text') / 'small', SENTENCES * 3, width=16, depth=1, longest=32)
    from transformers import AutoConfig, BertForPreTraining
    torch.manual_seed(7)  # as bert-base-uncased is shipped: with heads that nobody needs here
    BertForPreTraining(AutoConfig.from_pretrained(folder, local_files_only=True)).save_pretrained(folder)
    return folder


def encoder(folder, seed: int = 0, **options) -> TextEncoder:
    torch.manual_seed(seed)
    return TextEncoder(str(folder), **dict(out_channels=8, max_length=32) | options)


@pytest.fixture
def copy(small, tmp_path):
    """Of the folder, to be damaged."""
    import shutil
    return shutil.copytree(small, tmp_path / 'copy')


# ------------------------------------------------------------------------------------------------ what it computes

def test_pretrained_weights_are_those_of_the_folder(small):
    first, again = encoder(small, 0), encoder(small, 1)
    for (name, a), b in zip(first.network.state_dict().items(), again.network.state_dict().values()):
        assert torch.equal(a, b), name
    drawn = [encoder(small, i, weights='scratch', frozen=False).network.state_dict() for i in (0, 1)]
    name = 'embeddings.word_embeddings.weight'
    assert not torch.equal(drawn[0][name], drawn[1][name]) and not torch.equal(drawn[0][name], first.network.state_dict(
    )[name])


def test_a_frozen_network_never_trains(small):
    made = encoder(small).train()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    optimizer = torch.optim.SGD([x for x in made.parameters() if x.requires_grad], 0.1)
    made(SENTENCES)[0].sum().backward()
    optimizer.step()
    changed = {name.split('.')[0] for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {'recurrent'}
    assert all(x.grad is None and not x.requires_grad for x in made.network.parameters())
    assert not made.network.training and made.recurrent.training


def test_one_that_is_not_frozen_trains_in_every_part(small):
    """The negative control."""
    made = encoder(small, frozen=False).train()
    (made(SENTENCES)[0] ** 2).sum().backward()
    untouched = [name for name, x in made.named_parameters() if x.grad is None or not x.grad.abs().max() > 0]
    assert made.network.training and untouched == []


def test_words_are_the_mean_of_both_directions(small):
    made = encoder(small).eval()
    numbers, mask = made.tokens(SENTENCES[:1])
    inside = made.network(input_ids=numbers, attention_mask=mask).last_hidden_state
    both, _ = made.recurrent(inside)
    words, mask = made(SENTENCES[:1])
    torch.testing.assert_close(words, (both[..., :8] + both[..., 8:]) / 2)
    assert words.shape == (1, numbers.shape[1], 8) and mask.all()


def test_padding_has_no_influence(small):
    made = encoder(small).eval()
    together, mask = made(SENTENCES)
    for i, sentence in enumerate(SENTENCES):
        alone, _ = made([sentence])
        assert mask[i].sum() == alone.shape[1]
        torch.testing.assert_close(together[i, mask[i]], alone[0], atol=1e-5, rtol=1e-5)
        assert not together[i, ~mask[i]].any()


def test_long_sentences_are_cut_off(small):
    made = encoder(small, max_length=6).eval()
    long, longer = ' '.join(['red dress'] * 20), ' '.join(['red dress'] * 30)
    assert made([long])[0].shape[1] == 6
    assert torch.equal(made([long])[0], made([longer])[0]) and not torch.equal(made([long])[0], made(['A ' + long])[0])


def test_letters_of_either_case_and_words_nobody_knows(small):
    made = encoder(small).eval()
    assert torch.equal(made(['A WOMAN'])[0], made(['a woman'])[0])
    assert made([''])[1].sum() == 2 and torch.isfinite(made(['\u2603 \u4eba', ''])[0]).all()


# ------------------------------------------------------------------------------------------------ what it refuses

@pytest.mark.parametrize('gone, words', [
    ('config.json', 'lacks the configuration'), ('vocab.txt', 'lacks the words'),
    ('model.safetensors', "lacks the weights.*weights='scratch'")])
def test_a_folder_that_lacks_something(copy, gone, words):
    (copy / gone).unlink()
    with pytest.raises(UserError, match=words):
        encoder(copy)


def test_a_folder_without_weights_can_be_trained(copy):
    (copy / 'model.safetensors').unlink()
    assert encoder(copy, weights='scratch', frozen=False)(SENTENCES)[0].shape[0] == 3


@pytest.mark.parametrize('options, words', [
    (dict(folder='bert-base-uncased'), "'bert-base-uncased' is no folder.*nothing is downloaded"),
    (dict(weights='pretraind'), "Did you mean 'pretrained'"),
    (dict(weights='scratch'), 'frozen=True: words that are never learnt'),
    (dict(max_length=33), 'expected 3 to 32'), (dict(max_length=2), 'expected 3 to 32')])
def test_what_cannot_be(small, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        TextEncoder(**dict(folder=str(small), out_channels=8, max_length=32) | options)


@pytest.mark.parametrize('file', ['config.json', 'model.safetensors'])
def test_a_torn_file_is_a_message(copy, file):
    whole = (copy / file).read_bytes()
    (copy / file).write_bytes(whole[:len(whole) // 2])
    with pytest.raises(CheckpointError, match=f"'{copy}' cannot be read"):
        encoder(copy)


def test_weights_of_another_network(copy):
    """The library would draw what is missing, and say so in a line of its log."""
    config = json.loads((copy / 'config.json').read_text())
    (copy / 'config.json').write_text(json.dumps(config | dict(num_hidden_layers=2)))
    with pytest.raises(CheckpointError, match="are missing, 'encoder.layer.1"):
        encoder(copy)


def test_code_in_a_folder_is_not_run(copy):
    config = json.loads((copy / 'config.json').read_text())
    config |= dict(model_type='mine', auto_map=dict(AutoConfig='own.Config', AutoModel='own.Model'))
    (copy / 'config.json').write_text(json.dumps(config))
    (copy / 'own.py').write_text(f"open({str(copy / 'ran')!r}, 'w')")
    with pytest.raises(CheckpointError, match='cannot be read'):
        encoder(copy)
    assert not (copy / 'ran').exists()


def test_without_the_library(small, monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    with pytest.raises(UserError, match=r"'transformers', which is not installed: pip install 'humanbench\[text\]'"):
        encoder(small)


# ------------------------------------------------------------------------------------------------ folders of one's own

def test_a_folder_is_never_written_over_nor_half(tmp_path, monkeypatch):
    with pytest.raises(UserError, match='exists already'):
        write_text_folder(tmp_path, SENTENCES)
    from transformers import BertConfig
    monkeypatch.setattr(BertConfig, 'save_pretrained', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_text_folder(tmp_path / 'new', SENTENCES)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_that_is_shipped_knows_minihumans_words():
    """Made by ``write_text_folder`` of ``minihuman_captions(0, 1500)``; other people's captions have the same words."""
    tokenizer = load_tokenizer(text_folder(SHIPPED, weights=False))
    captions = minihuman_captions(5000, 5150)
    pieces = [tokenizer.tokenize(x) for x in captions]
    words = sum(len(x.replace('.', ' .').replace(',', ' ,').replace('-', ' - ').split()) for x in captions)
    assert not any('[UNK]' in x for x in pieces) and sum(map(len, pieces)) < 1.05 * words
    assert sum(len(x) for x in map(tokenizer.tokenize, ['quizzical zephyrs'])) > 4  # of other words only the letters


def test_a_plan_counts_its_operations_without_weights(small):
    """Those of the words grow with the longest sentence; a network that is read costs what one that is drawn costs."""
    def flops(**text) -> float:
        config = complete(load_config('downstream/text_reid/rstpreid.py', 'debug'))
        config.model.heads.rstpreid.text.update(folder=str(small), **text)
        config.sources.rstpreid.head.text.update(folder=str(small), **text)
        return estimate(config, 'cpu').units['rstpreid'].flops
    short, long = (flops(weights='pretrained', frozen=True, max_length=x) for x in (16, 32))
    assert flops(weights='scratch', max_length=32) == long > short > 0
    assert 1.9 < (long - flops(weights='scratch', max_length=24)) / (long - flops(
        weights='scratch', max_length=28)) < 2.2
