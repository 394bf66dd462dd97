"""HCMoCo with a queue: what is told from what, slow copies, and what a long queue remembers."""
import copy
import random

import pytest
import torch

from humanbench.errors import UserError
from humanbench.models.memory import ModalityQueue
from humanbench.models.pretext.hcmoco import MODALITIES, PAIRS
from humanbench.models.pretext.hcmoco_queue import SeenTwice
from humanbench.registry import MODELS

HRNET = dict(type='HumanHRNet', width=4, modules=(1, 1, 1), blocks=1, first_width=8, first_blocks=1, merged=4)


def network(make, backbone=None, seed: int = 0, **head):
    torch.manual_seed(seed)
    return MODELS.build(dict(type='HumanModel', backbone=backbone or make.VIT, heads=dict(
        ntu_queued=make.PRETEXTS['ntu_queued'] | head)))


def unit_losses(model, data: dict) -> dict:
    """Of a unit."""
    return model(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')


def enter(model) -> None:
    """What the last unit has seen, as a step does when it ends."""
    queue = model.heads['ntu_queued'].queue
    queue.enter([queue.take()])


def test_a_vector_finds_the_copies_vector_among_the_last_ones_and_those_of_its_unit(make):
    model, first, second = network(make).train(), make.unit('ntu_queued', count=5), make.unit(
        'ntu_queued', count=6, seed=1, first=4)  # sample 4 is in both
    unit_losses(model, first)
    enter(model)
    head, seen = model.heads['ntu_queued'], {}
    errors = type(head)._errors

    def noted(self, vectors, present, view):
        seen.update(seen=vectors, present=present, view=view, queue=self.queue.table.clone())
        return errors(self, vectors, present, view)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(head), '_errors', noted)
        losses = unit_losses(model, second)
    assert 0 < sum(seen['present'][1]) < 6  # some have no depth
    queue = seen['queue']
    for one, other in PAIRS:
        both, errors = seen['present'][one] & seen['present'][other], []
        for i in torch.nonzero(both).flatten():
            query = seen['seen'].vectors[one, i]
            entered = int(sum(x.has_depth for x in first['data_samples'])) if other == 1 else 5
            ids = [x.index for x in first['data_samples'] if other != 1 or x.has_depth]
            others = [row for place, row in enumerate(queue[other])
                      if place >= entered or ids[place] != int(seen['view'].index[i])]
            others += [seen['seen'].keys[other, j] for j in range(6) if j != i and seen['present'][other, j]]
            logits = torch.stack([query @ seen['seen'].keys[other, i], *(query @ row for row in others)]) / 0.2
            errors.append(-logits.log_softmax(0)[0])
        torch.testing.assert_close(losses[f'loss_{MODALITIES[one]}_{MODALITIES[other]}'], torch.stack(errors).mean())


def test_copies_are_the_networks_at_first_and_learn_from_nothing_but_them(make):
    model = network(make).train()
    head = model.heads['ntu_queued']
    seen = {}
    forward = type(head).targets

    def noted(self, views, batch):
        seen.update(keys=forward(self, views, batch), vectors=self(model.see(views, 'ntu_queued'), views).vectors)
        return seen['keys']

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(head), 'targets', noted)
        losses = unit_losses(model, make.unit('ntu_queued'))
    torch.testing.assert_close(seen['keys'][:2], seen['vectors'][:2].detach())  # these ViTs drop no path here
    sum(losses.values()).backward()
    assert all(x.grad is None and not x.requires_grad for x in head.slow.parameters())
    before = [x.clone() for x in head.slow.parameters()]
    with torch.no_grad():
        for x in model.parameters():
            x.add_(x.requires_grad)
    model.begin_step(0.0)
    model.end_step()
    for old, new in zip(before, head.slow.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.1)  # momentum 0.9


def test_copies_have_running_statistics_and_see_each_sample_by_itself(make):
    model = network(make, HRNET, depth_encoder=dict(HRNET)).train()
    head, data = model.heads['ntu_queued'], model.data_preprocessor(make.unit('ntu_queued', count=6), True)
    start = {name: dict(head.slow[name].named_buffers()) for name in ('backbone', 'depth_encoder')}
    start = {name: {key: x.clone() for key, x in buffers.items()} for name, buffers in start.items()}
    views = head.views(data['inputs'], data['data_samples'], torch.Generator())
    model.see(views, 'ntu_queued'), head.forward(model.see(views, 'ntu_queued'), views)
    model.begin_step(0.0)
    model.end_step()
    for name, buffers in start.items():
        now = dict((model.backbone if name == 'backbone' else head.depth_encoder).named_buffers())
        moved = [key for key, x in buffers.items() if 'running' in key and not torch.equal(now[key], x)]
        assert moved
        for key in moved:
            assert torch.equal(head.slow[name].get_buffer(key), now[key])
    together = head.targets(views, 6)
    part = head.views(data['inputs'][:2], data['data_samples'][:2], torch.Generator())
    torch.testing.assert_close(head.targets(part, 2), together[:, :2])  # whoever else is in the batch
    vectors, two = (head(model.see(x, 'ntu_queued'), x).vectors for x in (views, part))
    assert not torch.allclose(two[0], vectors[0, :2], atol=1e-2)  # control: the networks normalise over it


def test_a_queue_beside_banks_is_refused(make):
    with pytest.raises(UserError, match='a queue in place of banks'):
        network(make, num_samples=40)


def test_a_sample_that_is_drawn_twice_is_not_told_from_itself(make):
    model, data = network(make).train(), make.unit('ntu_queued', count=4)
    again = copy.deepcopy(data)
    again['inputs'].append(again['inputs'][0])
    again['data_samples'].append(copy.deepcopy(again['data_samples'][0]))
    head, errors = model.heads['ntu_queued'], []
    for unit in (data, again):
        unit = model.data_preprocessor(copy.deepcopy(unit), True)
        view, = head.views(unit['inputs'], unit['data_samples'], torch.Generator())
        found = torch.nn.functional.normalize(torch.randn(3, 4, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
        found = torch.cat([found, found[:, :1]], 1)[:, :len(view.index)]
        seen = SeenTwice(found, found, found, found, keys=found)
        present = torch.ones(3, len(view.index), dtype=torch.bool)
        errors.append(torch.stack(list(head._errors(seen, present, view)))[:, 0])
    torch.testing.assert_close(*errors)


def test_nothing_is_remembered_in_a_test(make):
    model = network(make).eval()
    unit_losses(model, make.unit('ntu_queued'))
    enter(model)
    assert (model.heads['ntu_queued'].queue.index == -1).all()


def found_again(make, momentum: float, seed: int, people: int = 32, steps: int = 60) -> float:
    """How often one modality of a person finds another, after a few steps on people that it sees again and again."""
    units = [make.unit('ntu_queued', count=1, seed=number, first=number) for number in range(people)]
    for unit in units:
        unit['data_samples'][0].gt_depth = 1 + torch.rand(1, 64, 64)
        unit['data_samples'][0].set_metainfo(dict(has_depth=True))

    def batch(numbers) -> dict:
        return {key: [copy.deepcopy(units[number][key][0]) for number in numbers] for key in ('inputs', 'data_samples')}

    model = network(make, seed=seed, momentum=momentum, negatives=64, terms=('sample',)).train()
    draw = random.Random(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        losses = unit_losses(model, batch(draw.sample(range(people), 8)))
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        enter(model)
        model.end_step()
    with torch.no_grad():
        samples = model.eval().test_step(batch(range(people)))
    vectors = torch.stack([sample.pred_vectors for sample in samples], 1)
    own = torch.arange(people)
    return sum(((vectors[a] @ vectors[b].T).argmax(1) == own).float().mean().item() for a, b in PAIRS) / len(PAIRS)


@pytest.mark.slow
def test_slow_copies_are_what_it_learns_by(make):
    """The control: of a queue that the networks fill themselves they learn to leave the place where all were before."""
    slow, quick = (sum(found_again(make, momentum, seed) for seed in range(3)) / 3 for momentum in (0.9, 0.0))
    assert slow > 0.2 and slow > 1.5 * quick, (slow, quick)


def test_a_queue_keeps_the_last_of_each_modality():
    queue, (one, two, three) = ModalityQueue(4, 2, 3), torch.eye(3)
    queue.see(torch.tensor([2**24 + 1, 20_000_001]), torch.zeros(2, 2, 3), torch.ones(2, 2) > 0)
    far = ModalityQueue(2, 2, 3)
    far.enter([queue.take()])
    assert far.index.tolist() == [[2**24 + 1, 20_000_001]] * 2  # though rows travel as float32
    queue.see(torch.tensor([7, 8, 9]), torch.stack([torch.stack([one, two, three])] * 2),
              torch.tensor([[True] * 3, [True, False, True]]))
    first = queue.take()
    queue.enter([first])
    assert queue.index.tolist() == [[7, 8, 9, -1], [7, 9, -1, -1]] and queue.next_place.tolist() == [3, 2]
    assert torch.equal(queue.table[0, :3], torch.eye(3)) and torch.equal(queue.table[1, :2], torch.stack([one, three]))
    queue.enter([first, first[:0], first])  # into the places of the oldest
    assert queue.index.tolist() == [[9, 9, 7, 8], [7, 9, 7, 9]] and queue.next_place.tolist() == [1, 2]
    assert torch.equal(queue.table[0], torch.stack([three, three, one, two]))
    small = ModalityQueue(2, 2, 3)
    small.enter([first])  # more than there is room for
    assert small.index.tolist() == [[9, 8], [7, 9]]
