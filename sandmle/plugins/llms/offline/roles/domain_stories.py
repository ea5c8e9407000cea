"""What surrounds a domain's data: why it was gathered, what is heard there, what is linked, what is read in time.

Only seeds that wish for a difficulty are told of it: the others keep the tasks that they gave at first.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sandmle.plugins.llms.offline.roles.domain_later_stories import LATER_STORIES
from sandmle.plugins.llms.offline.roles.domains import Story

STORIES: Final[Mapping[str, Story]] = MappingProxyType(
    {
        "industrial maintenance": Story(
            background="So far a foreman listens and feels for play, and half of the overhauls come too early or too "
            "late. Every pump that stops by surprise halts a line for a shift.",
            sound="the sound at a bearing housing, taken by a contact microphone",
            link="the two pumps share a pipe or a motor",
            reading="vibration at the bearing",
        ),
        "wind energy": Story(
            background="Turbines stand far apart, and a crew with a crane costs more than a week of lost yield. The "
            "control room therefore needs to know from its own records which of them deserve the trip.",
            sound="the sound of a passing blade, taken at the foot of the tower",
            link="the two turbines stood in one another's wake",
            reading="bending of the tower",
        ),
        "food retail": Story(
            background="Orders are placed by store managers from memory, and a tenth of what is fresh is thrown away. "
            "The chain wants one forecast for all stores, checked against weeks it has kept back.",
            sound="the compressor of a cooling shelf, taken in the aisle",
            link="the same customers shop in both stores",
            reading="takings of the store",
        ),
        "semiconductor manufacturing": Story(
            background="The laboratory answers after two days, when hundreds of further wafers have gone through the "
            "same chamber. What the machine itself records is there at once, and nobody has used it.",
            sound="the vacuum pump of the chamber, taken during the etch",
            link="the two runs shared a cassette or a batch of gas",
            reading="reflected power of the chamber",
        ),
        "road freight": Story(
            background="Dispatchers plan by distance alone and are wrong by hours on hilly tours and full yards. Late "
            "lorries are fined, and idle ones cost as much as those that drive.",
            sound="the engine, taken in the driver's cab",
            link="the two tours used the same lorry or the same yard",
            reading="speed of the lorry",
        ),
        "information technology operations": Story(
            background="Thresholds on single meters have been tried and wake the engineer on duty every other night. "
            "Months of windows were labelled afterwards, when it was known what had become of them.",
            sound="the fans of a rack, taken by a microphone in the cold aisle",
            link="the two servers called one another in that window",
            reading="response time of the service",
        ),
        "building management": Story(
            background="The control runs by a timetable that is ten years old, and the heating bill has doubled since. "
            "A day's warning is enough to shift load to the night.",
            sound="the ventilation duct of the top floor",
            link="the two buildings hang on the same heating pipe",
            reading="temperature of the return pipe",
        ),
        "sports medicine": Story(
            background="Blood tests tell overload too late, and athletes dislike them. What watches, soles and diaries "
            "record is at hand every morning, if someone can read it.",
            sound="breathing during the last interval, taken at the chest strap",
            link="the two athletes trained together",
            reading="pace of the session",
        ),
        "crop farming": Story(
            background="Advice went by the calendar until three dry springs in a row. The cooperative has pooled the "
            "records of its members and will send the best predictions out with its weekly letter.",
            sound="insects over the canopy, taken at dusk",
            link="the two plots touch or were sown from one sack",
            reading="moisture of the soil",
        ),
        "stream ecology": Story(
            background="A full survey of one stream takes a team two days; there are four hundred streams. What can "
            "be told from a short visit decides which of them are surveyed this year.",
            sound="the stream bed under water, taken by a hydrophone",
            link="water runs from one of the two sites to the other",
            reading="level of the stream",
        ),
        "materials science": Story(
            background="A tensile test costs a day and the sample. The archive holds thousands of samples whose tests "
            "were made years ago, and the question is which of the new ones are worth one.",
            sound="the ring of a sample struck with a hammer",
            link="the two samples came out of one melt",
            reading="load on the sample",
        ),
        "observational astronomy": Story(
            background="The survey finds more objects in a night than the instrument can look at in a year. Experts "
            "have sorted a few of them by hand; the others must be sorted by what they would have said.",
            sound="the signal of the receiver, made audible",
            link="the two objects lie close together on the sky",
            reading="brightness of the object",
        ),
        "public health": Story(
            background="Teams are sent where the last complaint came from, and districts that do not complain are "
            "missed. The office has put together what is known of every district, week by week.",
            sound="coughs, taken in a waiting room and made anonymous",
            link="many people commute from one of the two districts to the other",
            reading="visits to the clinics of the district",
        ),
        "hospital wards": Story(
            background="Until now the senior nurse estimates it at the evening round, and wards swing between idle and "
            "overrun. The charts are stripped of names; the predictions will go to the staffing desk each morning.",
            sound="breathing, taken by a stethoscope at the bedside",
            link="the same nurse cared for both patients",
            reading="heart rate of the patient",
        ),
        "clothing retail": Story(
            background="What is left at the end of a season is sold at a loss, and what sells out is missed for weeks. "
            "Buyers decide by taste; the retailer wants to know what its own numbers would have said.",
            sound="the sewing machine that made the article",
            link="the two articles are bought together",
            reading="daily sales of the article",
        ),
        "consumer lending": Story(
            background="Offers are made within a minute, so no person can look at them. The lender has opened the "
            "files of past years, without names, to see what a better reading of them is worth.",
            sound="the telephone line over which it was asked for, speech removed",
            link="the same broker brought both applications",
            reading="balance of the account",
        ),
        "telecommunication networks": Story(
            background="Alarms arrive by the thousand and most of them clear by themselves. The field crews can visit "
            "forty cells a week, and each visit to a sound one is a visit missed elsewhere.",
            sound="the amplifier of the cell, taken inside of its cabinet",
            link="telephones were handed over between the two cells",
            reading="load of the cell",
        ),
        **LATER_STORIES,
    }
)
"""Domain to its story."""
