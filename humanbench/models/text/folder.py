"""Local folders of language networks, as Hugging Face's ``transformers`` reads them. Nothing is ever downloaded.

``transformers`` is an optional dependency and slow to import: it is imported where it is used.
"""
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from ...errors import CheckpointError, UserError

SHIPPED = 'minihuman'
SPECIAL = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
CONFIG, WORDS = 'config.json', ('tokenizer.json', 'vocab.txt')
WEIGHTS = ('model.safetensors', 'model.safetensors.index.json', 'pytorch_model.bin', 'pytorch_model.bin.index.json')


def transformers() -> ModuleType:
    """The library.

    Raises:
        UserError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError("text needs the library 'transformers', which is not installed: pip install "
                        "'humanbench[text]' (from a checkout: pip install -e '.[text]').") from error
    # sentences are few and short, and loader processes that start later could not use its threads
    os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
    return transformers


def text_folder(name: str | os.PathLike, weights: bool) -> Path:
    """The folder of a language network, in which everything is that it needs.

    Args:
        name: a folder; :data:`SHIPPED` for the small one of MiniHuman's captions, which has no weights.
        weights: whether they are needed.

    Raises:
        UserError: it is no folder, or lacks something.
    """
    folder = Path(__file__).with_name(SHIPPED) if name == SHIPPED else Path(name).expanduser()
    if not folder.is_dir():
        raise UserError(f"the text network '{name}' is no folder. Expected one of files as Hugging Face's transformers "
                        f'write them ({CONFIG}, {WORDS[0]} or {WORDS[1]}, {WEIGHTS[0]}); nothing is downloaded. Put '
                        f"bert-base-uncased there, name another folder, or '{SHIPPED}' for a small network without "
                        'weights.')
    needed = {'the configuration': (CONFIG,), 'the words': WORDS, 'the weights': WEIGHTS if weights else ()}
    for what, files in needed.items():
        if files and not any((folder / x).is_file() for x in files):
            raise UserError(f"the text network '{folder}' lacks {what}: expected {' or '.join(files)}. It has "
                            f"{', '.join(sorted(x.name for x in folder.iterdir())[:12]) or 'nothing'}."
                            + (" Without weights it can be trained: weights='scratch'." if files is WEIGHTS else ''))
    return folder


def load_tokenizer(folder: Path):
    """What cuts sentences into tokens."""
    with _explained(folder):
        return transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def load_network(folder: Path, weights: bool) -> nn.Module:
    """The network, in float32, without the pooling layer that some have.

    Args:
        folder: see :func:`text_folder`.
        weights: read them; otherwise they are drawn. On the meta device there are none.

    Raises:
        CheckpointError: the files cannot be read, or are not of this network.
    """
    library = transformers()
    with _explained(folder), _quiet(library):
        if weights and torch.get_default_device().type != 'meta':
            network, found = library.AutoModel.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True)
            missing = sorted(x for x in found['missing_keys'] if not x.startswith('pooler.'))
            if missing:
                raise CheckpointError(f"the weights in '{folder}' are not of the network that its {CONFIG} describes: "
                                      f"{len(missing)} are missing, '{missing[0]}' first. Get the folder again.")
        else:
            config = library.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            network = library.AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
    if hasattr(network, 'pooler'):
        network.pooler = None  # of one vector a sentence, which nobody reads here
    return network


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Whatever the library raises over a file names the folder."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # of which kind is the library's choice, and differs from version to version
        raise CheckpointError(f"the text network '{folder}' cannot be read: {type(error).__name__}: "
                              f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}. Its "
                              'files may be torn or of another kind; get the folder again.') from error


@contextlib.contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """Without the library's bars and remarks: what is wrong with weights is said here."""
    logging = library.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def write_text_folder(folder: str | os.PathLike, captions: Iterable[str], vocabulary: int = 512, width: int = 64,
                      depth: int = 2, heads: int = 2, longest: int = 128) -> Path:
    """Write the folder of a small BERT without weights, for the words of some captions: to be trained from scratch.

    The folder appears when all of it is written. (Of equally frequent pieces the library takes one or the other: the
    same captions may give other pieces another time, which is why MiniHuman's folder is shipped.)

    Args:
        folder: that does not exist yet.
        captions: of which the word pieces are made.
        vocabulary: most pieces that are told apart.
        width, depth, heads: of the network.
        longest: most tokens of a sentence.

    Raises:
        UserError: the folder exists.
    """
    folder, library = Path(folder), transformers()
    if folder.exists():
        raise UserError(f"'{folder}' exists already. Choose another name for the text network, or remove it.")
    from tokenizers import BertWordPieceTokenizer
    pieces = BertWordPieceTokenizer(lowercase=True)
    pieces.train_from_iterator(captions, vocab_size=vocabulary, min_frequency=2, special_tokens=list(SPECIAL),
                               show_progress=False)
    config = library.BertConfig(vocab_size=pieces.get_vocab_size(), hidden_size=width, num_hidden_layers=depth,
                                num_attention_heads=heads, intermediate_size=2 * width, pad_token_id=0,
                                max_position_embeddings=longest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
    try:
        pieces.save_model(str(beside))
        config.save_pretrained(beside)
        beside.chmod(0o755)  # mkdtemp's are for its owner alone
        os.rename(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder
