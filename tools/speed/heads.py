"""How long set prediction's matching and the counting head's transport take beside the public way of doing them.

    python tools/speed/heads.py [--repeats 3] [--device cpu]

Matching: 9 decoder layers x 900 queries of one image, ours (costs of all layers at once, one transfer each way) against
mmdet's HungarianAssigner (layer by layer), and what of ours is scipy's solver. Transport: one crop, 100 iterations.
"""
import argparse
import time
from collections.abc import Callable, Sequence

LAYERS, QUERIES = 9, 900


def milliseconds(function: Callable[[], object], repeats: int, device: str) -> float:
    """The fastest of some calls, after one to warm up; on a CPU processor time, so that other work does not count."""
    clock = time.process_time if device == 'cpu' else time.perf_counter
    function()
    times = []
    for _ in range(repeats):
        start = clock()
        function()
        times.append(clock() - start)
    return 1000 * min(times)


def matching(boxes: int, images: int, device: str, repeats: int) -> str:
    """One line of figures for images of so many boxes."""
    import torch
    from mmdet.models.task_modules import HungarianAssigner
    from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
    from mmengine.structures import InstanceData
    from scipy.optimize import linear_sum_assignment

    from humanbench.models.losses import SetPrediction
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(LAYERS, images, QUERIES, generator=generator).to(device)
    predicted, target = (
        torch.cat([torch.rand(*shape, 2, generator=generator), .2 * torch.rand(*shape, 2, generator=generator) + .02],
                  -1).to(device) for shape in ((LAYERS, images, QUERIES), (images, boxes)))
    criterion = SetPrediction()
    assigner = HungarianAssigner([
        dict(type='mmdet.FocalLossCost', weight=2.0), dict(type='mmdet.BBoxL1Cost', weight=5.0, box_format='xywh'),
        dict(type='mmdet.IoUCost', iou_mode='giou', weight=2.0)])
    truth = [InstanceData(bboxes=bbox_cxcywh_to_xyxy(x), labels=torch.zeros(boxes, dtype=torch.long, device=device))
             for x in target]

    def layer_by_layer() -> None:
        for layer in range(LAYERS):
            for image in range(images):
                found = InstanceData(
                    bboxes=bbox_cxcywh_to_xyxy(predicted[layer, image]), scores=logits[layer, image, :, None])
                assigner.assign(found, truth[image], img_meta=dict(img_shape=(1, 1)))

    costs = [criterion.cost(logits[:, i], predicted[:, i], x).cpu().numpy() for i, x in enumerate(target)]
    ours = milliseconds(lambda: criterion.match(logits, predicted, list(target)), repeats, device)
    solver = milliseconds(lambda: [linear_sum_assignment(x) for cost in costs for x in cost], repeats, device)
    theirs = milliseconds(layer_by_layer, repeats, device)
    return f'{boxes:>8}{images:>8}{ours:>12.1f}{solver:>12.1f}{theirs:>12.1f}'


def transport(side: int, points: int, device: str, repeats: int) -> str:
    """One line of figures for a square crop."""
    import torch

    from humanbench.models.losses import transport_loss
    generator = torch.Generator().manual_seed(0)
    density = (torch.rand(side // 8, side // 8, generator=generator) + .01).to(device)
    places = (side * torch.rand(points, 2, generator=generator)).to(device)
    taken = milliseconds(lambda: float(transport_loss(density, places, 8)[0]), repeats, device)
    return f'{side:>8}{points:>8}{taken:>12.1f}'


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu')
    args = parser.parse_args(argv)
    import torch

    import humanbench  # noqa: F401  (before mmdet)
    torch.set_num_threads(1)
    print(f'{"boxes":>8}{"images":>8}{"ours ms":>12}{"solver ms":>12}{"mmdet ms":>12}')
    for boxes in (30, 100, 400):
        for images in (1, 4):
            print(matching(boxes, images, args.device, args.repeats), flush=True)
    print(f'{"crop":>8}{"points":>8}{"ms":>12}')
    for side, points in ((128, 30), (256, 300), (512, 500)):
        print(transport(side, points, args.device, args.repeats), flush=True)


if __name__ == '__main__':
    main()
