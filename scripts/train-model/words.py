"""Words that tales.py builds its sentences from. Written for this project; nothing here is taken from another text.

A thing is: name | adjectives | what it did (past tense, continues "the <name> ...") | where it was.
Plural names start with '+', names that take no article with '='.
"""

THINGS = """
sea | wide, grey, deep, cold, bright | was calm under the moon; rolled slowly toward the shore; sang against the rocks; shone like silver in the morning; carried the little boats home; rose and fell like something asleep | beyond the harbour; below the cliffs; at the end of the long road
ocean | blue, endless, dark, quiet | lay still from one end of the sky to the other; rolled in long slow waves; kept its secrets under the water; held more fish than anyone could count | beyond the last island; past the lighthouse
river | slow, clear, green, narrow | ran past the mill and under the bridge; turned around the hill; carried leaves down to the sea; rose after the rain; grew wide and quiet near the town | behind the village; between two hills; below the old bridge
lake | still, deep, round, cold | lay as flat as a plate; showed the clouds upside down; froze hard in the winter; was full of small silver fish | among the hills; behind the farm; in the middle of the wood
rain | soft, cold, sudden, warm | fell on the roof all night; washed the dust from the leaves; stopped before supper; tapped at the window like a small bird; filled the barrels by the door | over the fields; above the town
snow | white, deep, fresh, soft | covered the roofs and the road; lay on every branch; melted in the morning sun; fell without a sound; made the whole village quiet | over the hills; along the garden wall
wind | cold, wild, gentle, strong | blew the hats off in the market; shook the old door; came down from the hills at night; sang in the chimney; turned the mill all day | over the fields; among the trees
storm | black, great, sudden, loud | broke over the harbour; shook every window in the street; passed away before the morning; drove the ships back to land; frightened the horses | above the sea; over the mountain
sun | warm, red, golden, bright | rose over the fields; went down behind the hill; warmed the stones of the wall; came out after the rain; shone through the kitchen window | above the trees; over the water
moon | pale, round, silver, full | rose above the roofs; looked down at the sleeping town; made a white road over the water; hid behind a cloud; lit the path home | over the wood; above the chimney
star | small, bright, far, lonely | shone above the barn; was the first to come out that evening; fell across the sky; showed the sailors the way | above the sea; over the quiet hills
sky | blue, wide, clear, pale | grew dark before the storm; was full of stars; turned red in the evening; opened above the fields; was empty of birds | over the valley; above the harbour
cloud | white, dark, slow, little | passed over the hill; looked like a sleeping sheep; hid the sun for an hour; brought the rain at last | above the orchard; over the sea
mountain | high, old, white, silent | stood over the valley; wore snow even in the summer; hid the sun in the evening; was blue in the distance; gave its water to the river | beyond the forest; behind the town
hill | green, low, round, windy | was covered with grass and small flowers; looked down on the river; was the best place to fly a kite; hid the village from the road | behind the house; beyond the fields
forest | dark, deep, old, quiet | was full of birds and shadows; began at the end of the field; smelled of rain and pine; kept the path well hidden; stood thick on both sides of the road | beyond the river; at the foot of the mountain
tree | tall, old, green, crooked | stood alone in the field; gave shade to the sheep; lost its leaves in the wind; was full of apples in the autumn; was older than the house | beside the well; at the top of the hill
flower | small, white, yellow, sweet | opened in the morning; grew between two stones; turned its face to the sun; closed when the evening came | in the garden; by the gate
rose | red, white, wild, late | climbed up the wall of the cottage; opened in June; smelled sweet after the rain; lost its petals one by one | in the garden; beside the window
garden | small, green, quiet, old | was full of bees and roses; lay behind a stone wall; had an apple tree in the middle; slept under the snow | behind the cottage; beside the church
field | wide, green, golden, empty | lay yellow with wheat; was full of larks; stretched down to the river; waited for the plough | behind the farm; beyond the hill
road | long, white, dusty, narrow | went over the hill and out of sight; led to the sea; was muddy after the rain; passed the inn and the mill; was empty in the evening | between the fields; along the river
island | small, green, lonely, rocky | lay an hour from the land; had one house and a hundred goats; was hidden by the mist; belonged to the birds | in the middle of the lake; far out at sea
beach | long, white, empty, windy | was covered with shells after the storm; shone when the water went back; was the best place for a picnic | below the town; beyond the dunes
cat | black, grey, lazy, clever | slept by the fire; chased a leaf across the yard; watched the birds from the window; drank all the milk; walked along the garden wall; came home with wet feet | in the kitchen; under the table
dog | brown, old, happy, brave | ran after the cart; slept at the door; barked at the moon; found the lost key; waited at the gate every evening; would not leave the boy alone | in the yard; by the gate
horse | white, strong, tired, proud | pulled the cart up the hill; drank from the river; knew the way home; ran across the field; was afraid of the bridge | in the stable; beside the inn
bird | small, blue, bright, shy | sang in the apple tree; built its nest under the roof; flew over the river; came to the window for crumbs; was gone before the winter | in the hedge; above the garden
owl | grey, wise, old, quiet | sat in the oak and said nothing; hunted over the field at night; looked at the moon with round eyes; slept all day in the barn | in the old tower; among the pines
fox | red, clever, thin, quick | crossed the road before dawn; stole a hen from the farm; hid in the ferns; laughed at the slow dogs; lived under the roots of the oak | in the wood; behind the barn
rabbit | brown, white, quick, timid | ran under the hedge; ate the lettuce in the garden; sat up and listened; lost its way in the snow | in the field; by the old wall
mouse | tiny, grey, hungry, brave | lived behind the clock; took the cheese and ran; made a nest of wool; was not afraid of the cat | in the kitchen; under the stairs
fish | silver, big, old, quick | swam under the bridge; took the bread and got away; jumped once and was gone; slept in the deep part of the river | in the lake; beneath the boat
whale | great, white, old, gentle | rose beside the ship; sang in the deep water; blew a tall white cloud into the air; swam away to the cold north | far out at sea; beyond the islands
bear | brown, big, sleepy, hungry | slept through the winter; found honey in a hollow tree; walked slowly down to the river; was afraid of the bees | in the forest; near the mountain cave
wolf | grey, lean, lonely, wild | howled at the moon; followed the sleigh through the snow; slept among the rocks; kept away from the fire | in the forest; on the far hill
lion | golden, proud, sleepy, great | slept in the shade; shook its mane; walked through the tall grass; was kind to the little mouse | beside the river; under a thorn tree
elephant | grey, gentle, enormous, wise | carried the logs to the river; remembered every path; washed itself in the mud; was afraid of nothing but mice | by the water; at the edge of the town
bee | busy, small, golden, sleepy | went from flower to flower; slept inside a rose; knew the way back to the hive; hummed a low song all day | in the garden; over the clover
butterfly | yellow, blue, bright, tiny | rested on the old man's hat; danced over the hedge; opened its wings in the sun; was born on a warm morning | in the garden; above the flowers
dragon | green, old, sleepy, lonely | slept on a heap of gold; breathed smoke over the village; had not eaten for a hundred years; wanted only a friend; guarded the bridge | in the mountain cave; under the castle
king | old, kind, proud, tired | lost his crown in the river; lived in a castle with a hundred windows; gave bread to the poor; could not sleep at night; asked the children for help | in the castle; beyond the forest
queen | wise, young, lonely, kind | planted roses with her own hands; looked out from the tower; ruled the island for forty years; loved music more than gold | in the palace; beside the sea
princess | clever, brave, quiet, young | climbed down from the tower; learned the names of all the stars; would not marry a man who could not laugh; rode out alone before dawn | in the castle; across the river
child | small, happy, curious, sleepy | asked why the moon followed the cart; ran ahead to the gate; fell asleep before the story ended; drew a ship on the wall | in the lane; beside the fire
boy | small, clever, brave, hungry | ran all the way to the harbour; kept a frog in his pocket; learned to whistle; climbed the tallest tree; told nobody about the map | in the village; by the river
girl | little, clever, brave, quiet | found a shell that sang; read a book under the table; taught her brother to swim; carried the lamp up the stairs; knew every path in the wood | in the village; by the sea
man | old, tall, poor, cheerful | mended shoes beside the window; told stories about the sea; walked to the town every Monday; planted a tree for each of his children | in the village; beside the mill
woman | old, wise, kind, busy | baked bread for the whole street; kept bees behind the house; sang while she worked; knew the name of every flower | in the cottage; at the market
mother | kind, tired, patient, gentle | sang to the baby; put the bread on the table; waited at the window; told them a story by the fire | in the kitchen; beside the bed
father | tall, quiet, kind, strong | came home with snow on his coat; carved a small wooden horse; carried the lamp to the barn; laughed until the cups shook | in the workshop; at the gate
friend | old, good, true, cheerful | came to the door with a basket of plums; waited by the bridge; kept the secret for years; wrote a long letter every winter | across the street; in the next village
teacher | patient, kind, young, strict | drew the whole world on the board; read aloud every afternoon; opened the window so that they could hear the birds | in the school; at the end of the lane
sailor | young, brown, old, brave | came home after seven years; tied the boat to the stone; knew all the stars by name; kept a green bird on his shoulder | in the harbour; at the inn
farmer | old, strong, honest, tired | rose before the sun; counted the sheep twice; gave the horse an apple; sold his eggs at the market | in the field; beside the barn
fisherman | old, lucky, patient, poor | mended his nets by the water; caught nothing for three days; rowed out before dawn; brought home a basket of silver fish | on the beach; in the harbour
baker | fat, cheerful, early, kind | put the first loaves into the oven at four; gave the burned rolls to the children; had flour even in his ears | in the narrow street; beside the church
ship | tall, white, old, strong | came into the harbour with torn sails; sailed away on the morning tide; rolled in the storm; carried oranges and letters; was never seen again | beyond the lighthouse; in the bay
boat | little, green, leaky, wooden | rocked beside the wall; drifted down the river; was painted blue for luck; came home with the tide | in the harbour; under the willow
lighthouse | white, tall, old, lonely | turned its light over the water all night; stood alone on the rocks; saved many ships; could be seen from every window | at the end of the island; above the rocks
harbour | quiet, small, busy, windy | was full of masts; smelled of tar and fish; lay safe behind the wall; woke before the rest of the town | below the hill; at the end of the street
house | old, small, red, empty | stood at the end of the lane; had a blue door and a crooked chimney; was warm even in the winter; was full of clocks | beside the river; on the hill
castle | grey, ancient, dark, great | looked down on the valley; had a hundred rooms and no doors; was full of echoes; slept behind its high walls | on the rock; beyond the forest
village | small, quiet, sleepy, pretty | lay between the river and the wood; had one street and three wells; woke when the bells rang; was hidden in the snow | at the foot of the hill; beside the sea
city | great, old, noisy, bright | never slept; shone with a thousand lamps; had more bridges than streets; stood beside a wide brown river | beyond the plain; at the mouth of the river
town | small, busy, old, windy | had a market on Fridays; was proud of its clock; lay along the river; was full of music that night | beside the harbour; under the hill
bridge | old, stone, narrow, long | crossed the river at its deepest place; was built by the king's grandfather; shook when the carts went over; led to the mill | below the mill; outside the town
school | small, red, noisy, old | stood beside the church; had one room and one stove; was closed because of the snow; was full of laughter | at the end of the lane; on the hill
church | old, white, quiet, little | rang its bell for the storm; had swallows in its tower; was cool in the summer; stood among dark trees | above the village; beside the green
library | old, quiet, dusty, great | had more books than anyone could read; smelled of leather and rain; was open until the lamps were lit | in the middle of the town; behind the school
market | busy, noisy, bright, cheerful | was full of apples and cheese; began before sunrise; closed when the rain came; sold everything but sleep | in the square; beside the river
kitchen | warm, small, bright, busy | smelled of bread; was the best room in the house; was full of steam and singing; had copper pans on every wall | behind the shop; below the stairs
window | small, high, open, bright | looked out over the sea; let in the smell of the garden; was white with frost; shook in the wind | above the door; at the top of the stairs
door | green, heavy, old, little | opened without a sound; would not close in the winter; led to the garden; had no key | at the end of the hall; behind the curtain
key | small, golden, rusty, old | opened the box under the bed; lay at the bottom of the well; was hidden in a loaf of bread; fitted no door in the house | on a nail; under the mat
lamp | small, bright, old, warm | burned in the window all night; made a yellow circle on the table; went out in the wind; showed them the way to the barn | on the table; beside the bed
candle | small, white, tall, thin | burned until the morning; shook when the door opened; made long shadows on the wall; was the only light in the room | on the stairs; in the window
fire | warm, low, bright, little | burned in the middle of the room; made their faces red; kept the wolves away; sang quietly to itself; was almost out | on the hearth; in the camp
clock | old, tall, slow, round | struck twelve; stopped on the day the king died; was always ten minutes late; ticked in the empty hall | in the hall; above the shop
book | old, heavy, red, little | had no last page; lay open on the table; told the story of a lost island; smelled of smoke; was full of maps | on the high shelf; under the pillow
letter | long, short, secret, old | came with the morning boat; was written in green ink; made her laugh and then cry; lay unopened for a year | on the table; behind the clock
map | old, torn, secret, yellow | showed a path that nobody knew; was drawn on the back of a letter; ended at a small red cross | in the box; under the floor
song | old, sad, merry, sweet | came over the water; was about a ship and a star; made the children dance; had more verses than anyone knew | in the street; from the open window
music | soft, strange, sweet, gay | came from the open window; filled the square; followed them home; stopped when the lamps were lit | beyond the wall; across the water
story | long, old, strange, true | began with a storm; was told every winter; made the children forget their supper; had a happy end | beside the fire; in the old book
dream | strange, sweet, long, golden | was full of ships; ended too soon; came back every night; was about a garden under the sea | before the dawn; that night
bread | warm, fresh, brown, good | came out of the oven at six; was shared among the five of them; filled the street with its smell; was as hard as a stone | on the table; in the basket
apple | red, green, sweet, golden | fell on the old man's head; rolled down the hill; was the last one on the tree; tasted of summer | in the basket; under the tree
cake | tall, sweet, round, burnt | was gone in a minute; had a candle for every year; stood on the highest shelf; was meant for the king | on the table; in the window
soup | hot, thin, good, green | was made of one onion and a good deal of water; warmed them to the toes; was cold before he came | on the stove; in the blue bowl
coffee | hot, black, strong, bitter | kept the watchman awake; filled the kitchen with its smell; was cold before anyone drank it | on the table; beside the letter
tea | hot, sweet, weak, strong | was ready at four; warmed their cold hands; smelled of flowers and smoke | on the tray; beside the fire
train | long, slow, early, noisy | crossed the bridge at noon; whistled in the dark; was late because of the snow; carried the soldiers home | beyond the fields; at the little station
bell | old, great, silver, cracked | rang across the fields; called the fishermen home; was silent for a hundred years; could be heard on the island | in the tower; above the school
ball | red, round, lost, little | rolled under the bed; went over the wall; landed in the duck pond; was found in the spring | in the garden; behind the door
kite | red, paper, bright, torn | rose above the roofs; pulled hard at the string; came down in the oak; looked like a small flame | above the beach; over the hill
coat | warm, long, green, old | had nine pockets; hung behind the door; was too big for him; kept out the wind | on the hook; in the old chest
hat | tall, black, silly, old | blew into the river; had a feather in it; was full of eggs; made the horse laugh | on the post; under the chair
shoe | old, wooden, lost, small | lay in the middle of the road; was too small for any foot; floated like a boat | beside the bed; under the bench
ring | gold, thin, lost, plain | was found inside a fish; shone in the dark; would not come off; lay at the bottom of the cup | on her finger; in the well
machine | strange, clever, noisy, small | hummed in the corner; counted all night without a mistake; stopped when the lamp went out; answered only simple questions | in the workshop; behind the curtain
computer | small, quiet, old, patient | worked all night without sleep; counted faster than ten clerks; had a green light that never went out; waited for the next question | on the desk; in the quiet room
robot | small, polite, rusty, kind | carried the tea without a spill; learned to sing; was afraid of the rain; watered the roses every evening | in the workshop; in the garden
butter | yellow, fresh, cold, sweet | melted on the warm bread; was made on Saturday; stood in a blue dish | on the table; in the cool cellar
chrysalis | small, green, silent, still | hung under a leaf all winter; opened on the first warm day; held a pair of folded wings; shook once and was still | on the garden wall; under the bench
winter | long, cold, white, hard | came early that year; closed the roads for a month; made the lake as hard as stone; was kind to no one but the wolves | in the mountains; in the north
summer | long, warm, golden, short | came late to the island; was full of bees; passed like a single day; left its colour on their faces | in the valley; by the sea
spring | early, green, wet, gentle | brought the swallows back; woke the bear; filled the ditches with flowers; came in one night | in the valley; on the farm
autumn | red, early, misty, quiet | painted the woods; filled the barn with apples; sent the birds away; smelled of smoke and wet leaves | in the valley; along the river
morning | bright, cold, clear, quiet | began with the sound of bells; smelled of bread; came slowly over the hill; found them still asleep | in the harbour; on the farm
evening | long, warm, quiet, blue | came down over the roofs; brought the boats home; was full of crickets; ended with a song | in the village; by the river
night | long, dark, still, cold | was full of small sounds; came down like a curtain; hid the road; had no moon | in the forest; over the town
+children | happy, noisy, sleepy, hungry | ran down to the beach; built a ship of snow; listened to the old man; shared one apple; laughed at the proud rooster | in the lane; beside the pond
+birds | small, grey, white, merry | flew south before the snow; sang in the wet trees; rested on the mast; woke the whole house | above the sea; in the hedge
+stars | bright, cold, small, countless | came out one by one; shone over the roof; were in the river too; seemed close enough to touch | above the ship; over the snow
+trees | tall, bare, green, dark | bent in the wind; stood around the pond; were white with blossom; whispered all night | along the road; behind the house
+flowers | white, wild, yellow, sweet | grew along the road; opened after the rain; were for the old queen; filled every window | in the meadow; by the well
+waves | long, green, slow, white | broke over the wall; followed one another to the shore; rocked the boat to sleep; washed away the footprints | below the cliffs; beside the harbour
+mountains | high, blue, far, silent | shut in the valley; were red at sunset; kept their snow until July | beyond the river; in the north
+clouds | low, white, heavy, slow | hurried over the hill; covered the moon; brought the rain; looked like a great white fleet | over the sea; above the town
+books | old, heavy, dusty, good | stood in long rows; kept the wall warm; were his only friends; travelled in a barrel | in the library; beside the bed
=love | true, patient, quiet, old | made the long road short; asked for nothing; came late to the old soldier; was stronger than the storm | in the little house; beyond the sea
=time | slow, quick, patient, old | passed slowly in the tower; healed the old quarrel; ran like the river; waited for no one | in the quiet house; on the island
=hope | small, bright, patient, stubborn | kept the sailors awake; came back with the swallows; was the last thing they lost; burned like a small lamp | in the dark; on the long road
=winter light | pale, thin, blue, cold | came through the high window; lay on the snow; was gone by four | over the fields; in the hall
"""

NAMES_SHE = "Anna, Lucy, Mary, Clara, Rosa, Ida, Nell, Emma, Greta, Alice, Ruth, Marta".split(", ")
NAMES_HE = "Tom, Peter, Jack, Hans, Oliver, Ben, Will, Samuel, Karl, Ned, Jonas, Hugh".split(", ")
PEOPLE = (
    "an old fisherman, a little girl, a young sailor, the miller's son, the baker's daughter, a tired traveller, "
    "an old woman, a shepherd, the schoolmaster, a small boy, two brothers, the captain, a clever tailor, "
    "the gardener, a poor widow, the lighthouse keeper, a quiet child, the king's messenger"
).split(", ")
TIMES = (
    "in the morning, at sunset, before dawn, late in the evening, that winter, in the early spring, all summer long, "
    "one cold night, on a bright day in May, after the rain, when the bells rang, while the town slept, "
    "on the last day of autumn, at noon, just before supper, for the first time in years"
).split(", ")
SAW = (
    "watched, loved, remembered, looked for, dreamed about, talked about, painted, waited for, thought of, "
    "sang about, told a story about, wrote a letter about"
).split(", ")
FEELINGS = (
    "was glad, smiled, felt less alone, forgot the cold, began to sing, said nothing, laughed out loud, "
    "was not afraid any more, thought of home, wept a little, slept well that night, told no one"
).split(", ")
