"""Names behind the numbers in label maps, palettes and parameter rows."""

GARMENTS = (
    'background',
    'hat',
    'hair',
    'glove',
    'glasses',
    'upper',
    'dress',
    'coat',
    'socks',
    'trousers',
    'jumpsuit',
    'scarf',
    'skirt',
    'face',
    'skin',
    'belt',
    'bag',
    'shoes',
    'held_object',
    'occluder',
)
GARMENT = {name: i for i, name in enumerate(GARMENTS)}

_SIDED = ('shoulder', 'arm', 'elbow', 'forearm', 'hand', 'hip', 'thigh', 'knee', 'calf', 'foot')
SEGMENTS = (
    'background',
    'head',
    'neck',
    'upper_spine',
    'lower_spine',
    'crotch',
    *(f'{side}_{part}' for part in _SIDED for side in ('left', 'right')),
)
SEGMENT = {name: i for i, name in enumerate(SEGMENTS)}

# palette rows
PALETTE = (
    'skin',
    'hair',
    'upper',
    'upper2',
    'lower',
    'lower2',
    'shoe',
    'sole',
    'inner',
    'coat',
    'bag',
    'scarf',
    'hat',
    'belt',
    'sock',
    'glove',
    'object',
    'lip',
    'brow',
    'eye',
    'tie',
    'dark',
    'light',
)
HUE = {name: i for i, name in enumerate(PALETTE)}

# patterns of cloth
PLAIN, STRIPES, PLAID, SPLICE, DENIM, SIDE_STRIPE, PRINT, KNIT, HAIR_STRANDS, QUILT = range(10)
# decals: drawn onto a primitive where the rest coordinates say so
FACE, OPENING, V_NECK, PLACKET, COLLAR, TIE, STRAPS, CROSS_STRAP, LOGO, SOLE, THICK_SOLE, FINGERS = (
    1 << i for i in range(12)
)

# columns of a person's parameter row
STATURE, HEAD_SIZE, HEAD_Y, HIP_Y, NECK_Y, GLASSES, PERIOD, OPEN_WIDTH, SEED, BEARD, SMILE, BALD = range(12)
NUM_PARAMS = 12
