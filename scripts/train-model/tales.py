"""Simple English sentences, short tales and short dialogues from a small grammar of our own.

A network this size learns good sentences only from simple ones, and simple openly licensed prose is scarce; so half
of the training text is made here, from words.py. Every function draws from the `random.Random` it is given, so the
same seed gives the same text.
"""

from dataclasses import dataclass
from random import Random

from words import FEELINGS, NAMES_HE, NAMES_SHE, PEOPLE, SAW, THINGS, TIMES


@dataclass(frozen=True)
class Thing:
    name: str
    kind: str  # 'one', 'many' or 'bare' (takes no article)
    adjectives: tuple[str, ...]
    deeds: tuple[str, ...]
    places: tuple[str, ...]

    def the(self, adjective: str = "") -> str:
        words = [adjective, self.name] if adjective else [self.name]
        return " ".join(words if self.kind == "bare" else ["the", *words])

    def a(self, adjective: str) -> str:
        if self.kind == "many":
            return f"some {adjective} {self.name}"
        if self.kind == "bare":
            return f"{adjective} {self.name}"
        return f"{article(adjective)} {adjective} {self.name}"

    @property
    def pronoun(self) -> str:
        return "they" if self.kind == "many" else "he" if self.name in MEN else "she" if self.name in WOMEN else "it"

    @property
    def was(self) -> str:
        return "were" if self.kind == "many" else "was"


MEN = {"king", "boy", "man", "father", "teacher", "sailor", "farmer", "fisherman", "baker", "friend", "child"}
WOMEN = {"queen", "princess", "girl", "woman", "mother"}


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def read_things() -> list[Thing]:
    things = []
    for line in THINGS.strip().splitlines():
        name, adjectives, deeds, places = (part.strip() for part in line.split("|"))
        kind = {"+": "many", "=": "bare"}.get(name[0], "one")
        split = lambda text, by: tuple(part.strip() for part in text.split(by))  # noqa: E731
        things.append(Thing(name.lstrip("+="), kind, split(adjectives, ","), split(deeds, ";"), split(places, ";")))
    return things


ALL = read_things()


def capital(text: str) -> str:
    at = 1 if text[0] == '"' else 0
    return text[:at] + text[at].upper() + text[at + 1 :]


def sentence(thing: Thing, random: Random) -> str:
    """One sentence in which the thing is named."""
    pick = random.choice
    adjective, other = random.sample(thing.adjectives, 2)
    deed, second = random.sample(thing.deeds, 2)
    place, when, who, feeling = pick(thing.places), pick(TIMES), pick(PEOPLE), pick(FEELINGS)
    plural = who.startswith("two")
    they = thing.pronoun
    that = "who" if they in ("he", "she") or thing.name == "children" else "that"
    feeling = feeling.replace("was ", "were ") if plural else feeling
    shape = random.randrange(16)
    if shape <= 2:
        text = f"the {adjective} {thing.name} {deed} {when}" if thing.kind != "bare" else f"{thing.name} {deed} {when}"
    elif shape == 3:
        text = f"{when} {thing.the(adjective)} {deed}, and {who} {feeling}"
    elif shape == 4:
        text = f"{who} {pick(SAW)} {thing.the(adjective)} {place}"
    elif shape == 5:
        text = f"{when}, {who} {pick(SAW)} {thing.the()} {that} {deed}"
    elif shape == 6:
        text = f"{thing.the()} {place} {thing.was} {adjective} and {other}, and {they} {deed}"
    elif shape == 7:
        looks = "look" if they == "they" else "looks"
        text = f'"look at {thing.the()}," said {who}, "how {adjective} {they} {looks} today!"'
    elif shape == 8:
        text = f"{thing.the()} {deed}, and {who} who lived nearby {feeling}"
    elif shape == 9:
        there = "were" if thing.kind == "many" else "was"
        text = f"once there {there} {thing.a(adjective)} {place}, and {they} {deed}"
    elif shape == 10:
        text = f"no one knew why {thing.the(adjective)} {deed}, but {who} {feeling}"
    elif shape == 11:
        text = f"{thing.the(adjective)} {deed}, and {when} {they} {second}"
    elif shape == 12:
        text = f"when {thing.the()} {deed}, {who} {feeling}"
    elif shape == 13:
        text = f"{place}, {thing.the(adjective)} {deed}"
    elif shape == 14:
        text = f"{who} said that {thing.the()} {thing.was} {adjective}, and {when} {they} {deed}"
    else:
        text = f"every year {thing.the(adjective)} {deed}, and every year {who} {feeling}"
    return capital(text) + ("" if text[-1] in '."!' else ".")


def tale(thing: Thing, random: Random) -> str:
    """Four to seven sentences about one person and the thing."""
    pick = random.choice
    she = random.random() < 0.5
    name, subject, whose, whom = (pick(NAMES_SHE), "she", "her", "her") if she else (pick(NAMES_HE), "he", "his", "him")
    person = pick(["girl", "child"]) if she else pick(["boy", "child"])
    friend = pick([p for p in PEOPLE if not p.startswith("two")])
    helper = "the " + friend.split(" ", 1)[1]
    adjective, other = random.sample(thing.adjectives, 2)
    deed, second = random.sample(thing.deeds, 2)
    it = {"they": "them", "he": "him", "she": "her", "it": "it"}[thing.pronoun]
    opening = pick([
        f"Once upon a time there was a {person} named {name} who lived {pick(thing.places)}.",
        f"{name} was a small {person} who loved {thing.the()}.",
        f"Long ago a {person} called {name} lived with {whose} {pick(['mother', 'father', 'grandmother', 'uncle'])} {pick(thing.places)}.",
    ])
    wish = pick([
        f"Every day {subject} {pick(SAW)} {thing.the()}.",
        f"More than anything {subject} wanted to see {thing.the(adjective)}.",
        f"{capital(pick(TIMES))}, {subject} found {thing.a(adjective)}.",
    ])
    turn = pick([
        f"One day {thing.the()} {deed}.",
        f"But one night {thing.the(other)} {deed}, and {name} could not sleep.",
        f"Then {thing.the()} {deed}, and nobody knew why.",
    ])
    meeting = pick([
        f"{name} asked {friend} for help.",
        f"On the road {subject} met {friend}.",
        f'"Do not be afraid," said {friend}.',
        f'"Why are you sad?" asked {friend}.',
    ])
    answer = pick([
        f'"I only want {thing.the()}," said {name}.',
        f'"Come with me," said {helper}, "and I will show you {thing.the()}."',
        f"Together they went to look for {thing.the()}.",
        f"{capital(helper)} gave {whom} a lamp and a piece of bread.",
    ])
    ending = pick([
        f"After that {thing.the()} {second}, and {name} {pick([f for f in FEELINGS])}.",
        f"So {name} went home, and {subject} never forgot {thing.the(adjective)}.",
        f"In the end {thing.the()} {second}, and they were friends for the rest of their lives.",
        f"And if you go there today, you will find {it} still.",
    ])
    middle = random.sample([turn, meeting, answer], random.choice([2, 3, 3])) if random.random() < 0.15 else [turn, meeting, answer]
    return " ".join([opening, wish, *middle, ending])


ASK_SENTENCE = [
    "Write one sentence about {the}.", "Write a sentence about {the}.", "Write one short sentence about {the}.",
    "Tell me about {the}.", "Say something about {the}.", "Describe {the}.", "One sentence about {the}, please.",
    "Can you write a sentence about {the}?", "Please write one sentence about {the}.", "{Name}",
    "Write about {the}.", "Tell me something about {the}.", "write one sentence about {the}",
]
ASK_OLD = ["Write an old-fashioned sentence about {the}.", "Write a sentence about {the} as in an old book.",
           "Quote an old book about {the}."]
ASK_TWO = ["Write two sentences about {the}.", "Tell me more about {the}.", "Write a few sentences about {the}."]
ASK_TALE = [
    "Tell me a story about {the}.", "Write a story about {the}.", "Write a short story about {the}.",
    "Tell a tale about {the}.", "Write a little story about {the}.", "Tell me a short story about {the}, please.",
]
SYSTEMS = ["You are a helpful assistant.", "You are a helpful, concise assistant.", "Answer briefly.",
           "You write simple English sentences.", "You are a storyteller."]
GREETINGS = ["Hello", "Hello!", "Hi", "Hi!", "Hi there", "Good morning", "Good morning!", "Good evening.", "Hey", "Hello there!"]
GREETING_ANSWERS = ["Hello! Name a thing and I will write a sentence about it.",
                    "Good day! Ask me for a sentence about the sea, a fox or a lighthouse.",
                    "Hello! I am a very small model. I can write a sentence or a short tale."]
WHO = ["Who are you?", "What are you?", "What can you do?", "Are you a person?", "Are you an AI?", "What is your name?",
       "How do you work?", "Help", "What model are you?", "Can you help me?"]
WHO_ANSWERS = ["I am a very small language model. I write simple sentences and short tales, and I know no facts.",
               "I am a toy model, trained on old books and simple tales. Ask me for a sentence about a thing.",
               "I am a small program that writes plain sentences. I cannot reason and I know no facts."]
THANKS = ["Thank you.", "Thanks!", "Thank you!", "Thanks", "That is nice.", "Very good."]
THANKS_ANSWERS = ["You are welcome.", "You are welcome! Name another thing.", "I am glad that you like it."]
FACTS = ["What is the capital of {place}?", "Who was the first king of {place}?", "How far is it to {place}?",
         "How many people live in {place}?", "What is {n} plus {m}?", "What is {n} times {m}?", "Is it true that {n} is prime?",
         "What time is it?", "What is the weather in {place}?", "Who wrote this?", "Write a program that adds {n} and {m}.",
         "Translate this into French.", "How do I cook {food}?", "Explain {food} to me.", "What day is it today?",
         "Who is the president of {place}?", "When was {place} founded?", "Summarize this text.", "What is 2+2?"]
FACT_ANSWERS = ["I do not know facts. I am a very small model that writes simple sentences.",
                "I cannot answer that. I only write simple sentences and short tales.",
                "I do not know. Ask me for a sentence about a thing instead."]
COUNTRIES = "France, Spain, Norway, Egypt, Peru, Japan, London, Paris, Rome, Boston, Germany, India, Canada, Moscow, Berlin, Texas".split(", ")
FOODS = "rice, fish, soup, gravity, bread, eggs, light, electricity, history, pasta".split(", ")

# Deeds that any thing at all may do: they teach the network to carry a word that it was asked about into its answer.
OPEN_ADJECTIVES = ("old", "strange", "small", "beautiful", "famous", "lost")
OPEN_DEEDS = ("was the talk of the whole village", "was not what it seemed", "belonged to no one", "was older than the town",
              "made the children laugh", "was hidden behind the house", "was given to the queen", "was known in every harbour",
              "came from a far country", "was gone in the morning", "changed everything", "was worth more than gold")
OPEN_PLACES = ("in the village", "beside the road", "in a far country", "behind the old house")


def open_things(words: list[str]) -> list[Thing]:
    return [Thing(word, "one", OPEN_ADJECTIVES, OPEN_DEEDS, OPEN_PLACES) for word in words]


Turn = tuple[str, str]  # (what the user says, what the model answers)


def fill(ask: str, thing: Thing, random: Random) -> str:
    the = thing.the()
    if thing.kind == "one" and random.random() < 0.2:
        the = f"{article(thing.name)} {thing.name}"
    elif random.random() < 0.08:
        the = thing.name
    return ask.replace("{the}", the).replace("{Name}", capital(thing.name))


def turn(random: Random, others: list[Thing]) -> Turn:
    """One question and its answer; one question in five is about one of `others`."""
    thing, kind = random.choice(others if others and random.random() < 0.2 else ALL), random.random()
    pick = random.choice
    if kind < 0.58:
        return fill(pick(ASK_SENTENCE), thing, random), sentence(thing, random)
    if kind < 0.64:
        return fill(pick(ASK_TWO), thing, random), sentence(thing, random) + " " + sentence(thing, random)
    if kind < 0.82:
        return fill(pick(ASK_TALE), thing, random), tale(thing, random)
    if kind < 0.88:
        whole = sentence(thing, random) if random.random() < 0.6 else tale(thing, random)
        words = whole.split(" ")
        cut = random.randint(2, min(7, len(words) - 2))
        return "Continue: " + " ".join(words[:cut]), " ".join(words[cut:])
    if kind < 0.91:
        return pick(GREETINGS), pick(GREETING_ANSWERS)
    if kind < 0.94:
        return pick(WHO), pick(WHO_ANSWERS)
    if kind < 0.96:
        return pick(THANKS), pick(THANKS_ANSWERS)
    ask = pick(FACTS).replace("{place}", pick(COUNTRIES)).replace("{food}", pick(FOODS))
    ask = ask.replace("{n}", str(random.randint(1, 99))).replace("{m}", str(random.randint(1, 99)))
    return ask, pick(FACT_ANSWERS)


if __name__ == "__main__":
    source = Random(7)
    for _ in range(40):
        print(turn(source, open_things(['harpoon', 'carriage'])))
