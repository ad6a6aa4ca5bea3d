"""Single bits and Rice codes, into bytes and back.

    value   = z >> k as so many ones and a zero, the low k bits of z; or ESCAPE ones, whole
    whole   = length 7, z

Numbers stand from their highest bit on; k = STILL says that z is 0, and takes no bit at all.

Source: S. W. Golomb, "Run-length encodings", IEEE Trans. Inf. Theory, vol. 12, 1966; R. F. Rice,
    "Some practical universal noiseless coding techniques", JPL Publication 79-22, 1979.
Portable.
"""

# Beyond so many ones a value is a leap.
ESCAPE = 10
STILL = 63
_LENGTH_BITS = 7


def cost(z: int, k: int) -> int:
    """How many bits a value takes."""
    ones = z >> k
    return ones + 1 + k if ones < ESCAPE else ESCAPE + _LENGTH_BITS + length(z)


def length(z: int) -> int:
    """How many bits z has, at least one."""
    return len(bin(z)) - 2


class Writer:
    """Bits into bytes."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._bits = 0
        self._waiting = 0

    def write(self, number: int, bits: int) -> None:
        """A number that is not negative, in so many bits."""
        self._bits = self._bits << bits | number
        self._waiting += bits
        while self._waiting >= 8:
            self._waiting -= 8
            self._data.append(self._bits >> self._waiting)
            self._bits &= (1 << self._waiting) - 1

    def value(self, z: int, k: "int | None") -> None:
        """By the Rice code k; None: whole."""
        if k == STILL:
            return
        ones = ESCAPE if k is None else z >> k
        if k is not None and ones < ESCAPE:
            self.write((1 << ones) - 1 << 1, ones + 1)
            self.write(z & (1 << k) - 1, k)
            return
        if k is not None:
            self.write((1 << ESCAPE) - 1, ESCAPE)
        self.write(length(z), _LENGTH_BITS)
        self.write(z, length(z))

    def end(self) -> bytes:
        """The bytes; zeros fill up the last one."""
        if self._waiting:
            self.write(0, 8 - self._waiting)
        return bytes(self._data)


class Reader:
    """Bytes into bits. Raises: ValueError beyond their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._bits = 0
        self._waiting = 0

    def read(self, bits: int) -> int:
        """The inverse of Writer.write."""
        while self._waiting < bits:
            if self._at == len(self._data):
                raise ValueError(f"{len(self._data)} bytes; expected more of them")
            self._bits = self._bits << 8 | self._data[self._at]
            self._at += 1
            self._waiting += 8
        self._waiting -= bits
        number = self._bits >> self._waiting
        self._bits &= (1 << self._waiting) - 1
        return number

    def value(self, k: "int | None") -> int:
        """The inverse of Writer.value."""
        if k == STILL:
            return 0
        ones = ESCAPE if k is None else 0
        while ones < ESCAPE and self.read(1):
            ones += 1
        if k is None or ones == ESCAPE:
            return self.read(self.read(_LENGTH_BITS))
        return ones << k | self.read(k)

    def end(self) -> None:
        """Raises: ValueError unless only the zeros that fill up a byte are left."""
        if self._at != len(self._data) or self._waiting > 7 or self._bits:
            raise ValueError(f"{len(self._data)} bytes; expected {self._at} with zeros at the end")
