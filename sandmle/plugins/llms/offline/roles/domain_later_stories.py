"""Stories of domains that only drafts with a difficulty are drawn from."""

from typing import Final

from sandmle.plugins.llms.offline.roles.domains import Story

LATER_STORIES: Final = {
    "dental care": Story(
        background="Everybody is called twice a year, which is too often for most and too late for some. The practices "
        "have put their charts together, without names, and want to see who should have come when.",
        sound="the drill, taken beside the chair",
        link="the two patients live in one household",
        reading="pressure of the brush on the teeth",
    ),
    "ambulance services": Story(
        background="Half of the vehicles that are sent with sirens come back empty, and while they are out they are "
        "missing elsewhere. What callers said and what the crews found then was kept for three years.",
        sound="the line of the caller, speech removed",
        link="the same crew drove to both calls",
        reading="pulse of the patient",
    ),
    "furniture retail": Story(
        background="Delivery is promised by a table that nobody has touched since the warehouse moved. Each missed "
        "doorstep costs a second tour, and each return costs more than the piece had earned.",
        sound="a drawer being closed, taken in the showroom",
        link="the two orders went out on one van",
        reading="orders of the furniture series",
    ),
    "used-book trade": Story(
        background="Two buyers price by feeling, and they differ by half on the same copy. Everything they sold in ten "
        "years is on record, and most of what they left on the shelf is too.",
        sound="pages being turned, taken at the sorting table",
        link="the same person bought both copies",
        reading="lowest price that others ask",
    ),
    "garden centres": Story(
        background="A batch that flowers a week late is sold at half price, and a cold spring makes many of them late. "
        "The growers' own guess is written down at potting and has been wrong by nine days on average.",
        sound="rain on the roof of the glasshouse",
        link="the two batches stood on one bench",
        reading="temperature of the soil",
    ),
    "injection moulding": Story(
        background="One part in fifty is measured, an hour after it was made, and by then a bin is full of its "
        "brothers. The press itself records every cycle, and the records were thrown away until last year.",
        sound="the closing of the mould, taken at the frame of the press",
        link="the two cycles ran on one drum of material",
        reading="pressure in the cavity",
    ),
    "paper making": Story(
        background="The test bench sees the outer metres of a reel, four hours late, and printers return whole reels. "
        "A day of the machine costs as much as a house, so nobody will stop it on suspicion.",
        sound="the drying section, taken on the operator's side",
        link="the two reels were made with one felt",
        reading="moisture across the web",
    ),
    "brewing": Story(
        background="The brewer tastes each tank every day and plans by that, and the filling line waits for one tank "
        "in five. The cellar's sensors were put in for cooling alone; now they are to tell more.",
        sound="the airlock of the tank",
        link="the two batches were pitched with one yeast",
        reading="gravity of the wort",
    ),
    "seismology": Story(
        background="Two analysts read every record by eye and fall a month behind after each swarm. Quarries blast at "
        "lunch time, lorries pass all day, and the public wants to know within minutes.",
        sound="the ground, made audible",
        link="both tremors were heard by one station within a day",
        reading="velocity of the ground",
    ),
    "cell biology": Story(
        background="Cultures are looked at every other day, and a third of them turn out useless on the day of the "
        "experiment. Pictures and protocols of four years are at hand; only their outcome was never set beside them.",
        sound="the shaker of the incubator",
        link="the two dishes come from one flask",
        reading="electrical resistance of the cell layer",
    ),
    "museum conservation": Story(
        background="Two conservators look after eleven thousand exhibits and see each of them every six years. The "
        "climate of all rooms has been logged since the last renovation, and so has what was repaired.",
        sound="a knock on the panel, taken by a contact microphone",
        link="the two exhibits hang in one room",
        reading="humidity of the room",
    ),
    "drinking water supply": Story(
        background="A leak is found when a cellar is wet, and by then it has run for two months. The zones have had "
        "meters for five years, and the books tell what was dug up in which of them.",
        sound="the main, taken by a microphone on a hydrant",
        link="a main joins the two zones",
        reading="flow into the zone",
    ),
    "software testing": Story(
        background="The whole suite takes two hours, so people merge before it has ended and are sorry afterwards. "
        "Two years of runs were kept, with what broke and who was surprised by it.",
        sound="the coil of the processor, taken inside the machine",
        link="the two changes touch the same file",
        reading="memory used by the run",
    ),
    "database tuning": Story(
        background="Indexes were added whenever somebody complained, until writing was slower than reading. The team "
        "tried every one of them on a copy once, and wants to do without that copy in future.",
        sound="the disk shelf of the server",
        link="the two queries waited for one another",
        reading="run time of the query",
    ),
    "computer security": Story(
        background="The desk's rules raise nine hundred alarms a day, and its four analysts read sixty. What they "
        "found was written down, and so were the incidents that no rule had seen.",
        sound="the keyboard, taken by the microphone of the client",
        link="the two sessions reached the same host",
        reading="data sent by the session",
    ),
    "motor insurance": Story(
        background="Every claim waits for an assessor, even those that any garage could price in a minute. Files of "
        "closed claims were stripped of names and plates to see how many could have been settled at once.",
        sound="the engine after the repair",
        link="the same garage wrote both quotes",
        reading="braking of the car",
    ),
    "card payments": Story(
        background="One payment in thirty is refused, and nine of ten refused buyers were honest. An answer is due "
        "within the tenth part of a second, so it has to come from what is known already.",
        sound="the printer of the terminal",
        link="the same card was used for both payments",
        reading="sum paid with the card",
    ),
    "property valuation": Story(
        background="Valuers from the same town disagree by a fifth, and what is valued too high is the bank's loss. "
        "The surveys of twelve years were typed in, with what became of each house.",
        sound="the street, taken at the open window",
        link="the two properties stand in one street",
        reading="prices asked in the street",
    ),
    "invoice finance": Story(
        background="The house trusts an agency's index that is a year old when it arrives, and lost a tenth of its "
        "capital in one winter. Its own books know better how each debtor paid, if somebody reads them.",
        sound="the telephone line of the collector, speech removed",
        link="the two invoices have one debtor",
        reading="open sum of the debtor",
    ),
    "city buses": Story(
        background="The signs at the stops show the timetable, and people have stopped believing them. Buses have sent "
        "their position for three years, and counters at the doors tell how many got on.",
        sound="the doors, taken above the step",
        link="the two trips were made with one bus",
        reading="speed of the bus",
    ),
    "airport ground handling": Story(
        background="Loaders are sent by the flight plan and stand idle whenever it is wrong. A missed slot costs more "
        "than a night's wages, and it is seen coming only when the doors should be closed already.",
        sound="the auxiliary engine, taken on the apron",
        link="the two turnarounds were served by one crew",
        reading="bags that came over the belt",
    ),
    "container shipping": Story(
        background="Ships ask for a berth two weeks ahead and are late by a day when they come. Cranes are hired "
        "by the shift, and a ship at anchor burns its earnings.",
        sound="the hoist of the crane, taken in the cabin",
        link="the two ships lay at the quay together",
        reading="moves of the cranes",
    ),
    "bicycle sharing": Story(
        background="Vans follow the same tour every morning, whatever the weather. A third of the complaints are about "
        "stations without a bicycle, another third about stations without a free dock.",
        sound="a bicycle being locked, taken at the dock",
        link="bicycles are ridden from one of the two stations to the other",
        reading="bicycles at the station",
    ),
}
"""Domain to its story."""
