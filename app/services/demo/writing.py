"""Puts words together: bios, titles, posts and replies, each in its writer's language."""

from app.services.demo.chance import Chance, pick
from app.services.demo.vocabulary import Vocabulary

EMOJI = (
    "😀",
    "😂",
    "🥰",
    "😅",
    "🤔",
    "🙌",
    "👏",
    "🔥",
    "🌿",
    "🌊",
    "☕",
    "📚",
    "🎶",
    "📷",
    "🚲",
    "🍞",
    "🌧️",
    "🌅",
    "💛",
    "🐈",
    "👩‍🍳",
    "🧗🏽",
    "✨",
    "🎉",
)


def filled(template: str, vocabulary: Vocabulary, chance: Chance) -> str:
    """Return the template with words in its gaps and a capital letter in front."""
    text = template
    if "{" in template:
        text = template.format(
            place=pick(chance, vocabulary.place),
            food=pick(chance, vocabulary.food),
            topic=pick(chance, vocabulary.topic),
            n=5 + int(6 * chance()),
        )
    return text[0].upper() + text[1:]


def post_text(vocabulary: Vocabulary, mention: str | None, chance: Chance) -> str:
    """Return the words of a top-level post; `mention` is a username, or None."""
    sentences = vocabulary.sentence
    first = int(len(sentences) * chance())
    # At most two steps of less than half the way round, so that no sentence comes twice.
    step = 1 + int((len(sentences) - 1) // 2 * chance())
    parts = [filled(sentences[(first + i * step) % len(sentences)], vocabulary, chance) for i in range(1 + int(3 * chance()))]
    if chance() < 0.3:
        parts.append(pick(chance, vocabulary.closer))
    text = vocabulary.gap.join(parts)
    if mention is not None:
        text += f" @{mention}"
    if chance() < 0.35:
        text += f" {pick(chance, EMOJI)}"
    if chance() < 0.5:
        text += hashtags(vocabulary, chance)
    return text


def hashtags(vocabulary: Vocabulary, chance: Chance) -> str:
    """Return one to three different hashtags with the space before them."""
    first = int(len(vocabulary.tag) * chance())
    u = chance()
    tags = " ".join(f"#{vocabulary.tag[(first + i) % len(vocabulary.tag)]}" for i in range(1 + int(3 * u * u)))
    return ("\n\n" if chance() < 0.4 else " ") + tags


def reply_text(vocabulary: Vocabulary, answered: str, chance: Chance) -> str:
    """Return the words of a reply; `answered` is the username of the one who is answered."""
    start = f"@{answered} " if chance() < 0.5 else ""
    u = chance()
    if u < 0.06:
        return start + pick(chance, EMOJI) * (1 + int(3 * chance()))
    text = start + filled(pick(chance, vocabulary.reply), vocabulary, chance)
    if u < 0.3:
        text += vocabulary.gap + filled(pick(chance, vocabulary.sentence), vocabulary, chance)
    if u > 0.8:
        text += f" {pick(chance, EMOJI)}"
    return text
