"""Sentences to features of their words.

Shapes: n sentences of at most L tokens, C channels.
"""
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ...errors import UserError, unknown_name
from ...registry import MODELS
from .folder import load_network, load_tokenizer, text_folder

WEIGHTS = ('pretrained', 'scratch')


@MODELS.register_module()
class TextEncoder(nn.Module):
    """A language network of a local folder (BERT, or what else ``transformers`` knows), and a BiLSTM over its words.

    The sentences themselves come in, and are cut into tokens here: tokens mean something to this network's embedding
    alone, so one folder says both, and loaders and readers know nothing of either. (Cutting 64 captions takes a few
    milliseconds; the network that reads them takes far longer.)

    Args:
        folder: of the network: ``config.json``, ``tokenizer.json`` or ``vocab.txt``, and ``model.safetensors`` (or
            ``pytorch_model.bin``, of which only tensors are read). Nothing is downloaded. ``'minihuman'`` for a small
            one that knows the words of MiniHuman's captions, and has no weights.
        out_channels: C of each word.
        weights: ``'pretrained'``, those of the folder, or ``'scratch'``, drawn at random.
        frozen: the language network stays as it is, without dropout; the BiLSTM trains.
        max_length: most tokens of a sentence, with those that begin and end it; the rest is cut off. Shorter ones are
            padded to the longest of the batch, and padding has no influence.
        layers: of the BiLSTM. Each direction has C channels, and a word has their mean.

    Raises:
        UserError: ``transformers`` is not installed, the folder lacks something, a network without weights is frozen,
            or it knows no sentences of that length.
    """

    def __init__(self, folder: str, out_channels: int, weights: str = 'pretrained', frozen: bool = True,
                 max_length: int = 64, layers: int = 1):
        super().__init__()
        if weights not in WEIGHTS:
            raise unknown_name('weights of a text encoder', weights, WEIGHTS)
        if frozen and weights == 'scratch':
            raise UserError("TextEncoder has weights='scratch' and frozen=True: words that are never learnt. Say "
                            'frozen=False to train them.')
        place = text_folder(folder, weights == 'pretrained')
        self.tokenizer, self.network = load_tokenizer(place), load_network(place, weights == 'pretrained')
        longest = getattr(self.network.config, 'max_position_embeddings', max_length)
        if not 3 <= max_length <= longest:
            raise UserError(f"TextEncoder has max_length={max_length}: expected 3 to {longest}, which is what the "
                            f"network in '{place}' can tell apart.")
        self.max_length, self.frozen, self.out_channels = max_length, frozen, out_channels
        self.network.requires_grad_(not frozen)
        self.recurrent = nn.LSTM(self.network.config.hidden_size, out_channels, layers, batch_first=True,
                                 bidirectional=True)

    def train(self, mode: bool = True) -> 'TextEncoder':
        """Training mode for what trains: a frozen language network drops nothing out."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def tokens(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Numbers of the tokens (n, L), and which of them are none but padding (n, L): 1 for tokens, 0 for padding."""
        device = self.recurrent.weight_ih_l0.device
        if device.type == 'meta':  # where operations are counted, of sentences that nobody has written yet
            numbers = torch.empty(len(sentences), self.max_length, dtype=torch.int64, device=device)
            return numbers, torch.ones_like(numbers)
        found = self.tokenizer(list(sentences), padding=True, truncation=True, max_length=self.max_length,
                               return_tensors='pt')
        return found['input_ids'].to(device), found['attention_mask'].to(device)

    def forward(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Features of the words, and where they are.

        Args:
            sentences: n of them, one at least.

        Returns:
            (n, L, C), zero where padded, and a mask (n, L), True for words.
        """
        numbers, mask = self.tokens(sentences)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            # the library looks into a mask, which on the meta device holds nothing
            words = self.network(numbers, None if numbers.is_meta else mask).last_hidden_state
        with torch.autocast(words.device.type, enabled=False):  # a recurrence adds up what half precision loses
            words = self._recur(words.to(self.recurrent.weight_ih_l0.dtype), mask)
        return words.unflatten(2, (2, self.out_channels)).mean(2), mask.bool()

    def _recur(self, words: Tensor, mask: Tensor) -> Tensor:
        """Both directions (n, L, 2C), each of which begins at its own end of the sentence and not in the padding."""
        if words.is_meta:
            return self.recurrent(words)[0]
        packed = pack_padded_sequence(words, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.recurrent(packed)[0], batch_first=True, total_length=mask.shape[1])[0]
